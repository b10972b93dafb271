"""Plans without a solver: who comes first takes the cheapest; and which of equally good plans is taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from turnosya.services.turnos.planning.options import Options

Choice: TypeAlias = "Sequence[int | None]"
"""For each turno the number of its place among its options, or None if it is left out."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """One place as it takes time."""

    service: int
    client: str | None
    member: int
    start: int
    end: int
    busy_from: int
    busy_to: int
    seats: int

    def meets(self, other: _Spot) -> bool:
        """Whether both cannot be, seats left aside."""
        is_same_client = self.client is not None and self.client == other.client
        if is_same_client and self.start < other.end and other.start < self.end:
            return True
        if self.member != other.member or self.is_with(other):
            return False
        return self.busy_from < other.busy_to and other.busy_from < self.busy_to

    def is_with(self, other: _Spot) -> bool:
        """Whether both are in one session."""
        same = (self.service, self.member, self.start) == (other.service, other.member, other.start)
        return same and self.seats > 1


class _Room:
    """Who is where."""

    def __init__(self, options: Sequence[Options], choice: Choice) -> None:
        self.options = options
        self.choice = list(choice)
        self._spots = [
            None if place is None else self.spot(turno, place) for turno, place in enumerate(choice)
        ]

    def spot(self, turno: int, place: int) -> _Spot:
        """A place of a turno."""
        one = self.options[turno]
        start = int(one.start[place])
        return _Spot(
            one.kind.service,
            one.affected.client,
            int(one.member[place]),
            start,
            start + one.kind.duration,
            start - one.kind.before,
            start + one.kind.length_after,
            int(one.seats[place]),
        )

    def has_room(self, turno: int, place: int, *, without: int | None = None) -> bool:
        """Whether a turno can be at a place while the others, but ``without``, stay."""
        wanted, seats = self.spot(turno, place), 0
        for number, spot in enumerate(self._spots):
            if spot is None or number in (turno, without):
                continue
            if wanted.meets(spot):
                return False
            seats += wanted.is_with(spot)
        return seats < wanted.seats

    def put(self, turno: int, place: int | None) -> None:
        """Moves a turno."""
        self.choice[turno] = place
        self._spots[turno] = None if place is None else self.spot(turno, place)


def first_come(options: Sequence[Options]) -> Choice:
    """Everybody in the order of their ids takes the cheapest place that is left."""
    return completed(options, [None] * len(options))


def completed(options: Sequence[Options], choice: Choice) -> Choice:
    """The same plan, in which those whom it leaves out take the cheapest place that is left."""
    room = _Room(options, choice)
    for turno, one in enumerate(options):
        if room.choice[turno] is None:
            free = (place for place in range(len(one)) if room.has_room(turno, place))
            room.put(turno, next(free, None))
    return room.choice


def cost_of_choice(options: Sequence[Options], choice: Choice) -> int:
    """The cost of all who are placed, in sixtieths of a point."""
    chosen = zip(options, choice, strict=True)
    return sum(int(one.cost[place]) for one, place in chosen if place is not None)


def settled(options: Sequence[Options], choice: Choice) -> Choice:
    """The plan of the same cost in which lower ids have the earlier places.

    Each step gives somebody an earlier place and takes one only from a higher id, so it ends.
    """
    room = _Room(options, choice)
    places = [_by_place(one) for one in options]
    steps = 1
    while steps:
        steps = sum(_advance(room, turno) for turno in range(len(options)))
        steps += sum(_swap(room, places, pair) for pair in _pairs(options))
    return room.choice


def _by_place(one: Options) -> dict[tuple[int, int], int]:
    return {(int(one.start[place]), int(one.member[place])): place for place in range(len(one))}


def _pairs(options: Sequence[Options]) -> Iterator[tuple[int, int]]:
    """Turnos that take the same time, the lower id first."""
    for low, one in enumerate(options):
        for high in range(low + 1, len(options)):
            if options[high].kind is one.kind:
                yield low, high


def _advance(room: _Room, turno: int) -> bool:
    """Moves a turno to the first of its equally dear places that is free."""
    one, at = room.options[turno], room.choice[turno]
    if at is None:
        return False
    first = at
    while first > 0 and one.cost[first - 1] == one.cost[at]:
        first -= 1
    better = next((place for place in range(first, at) if room.has_room(turno, place)), None)
    if better is not None:
        room.put(turno, better)
    return better is not None


def _swap(room: _Room, places: Sequence[dict[tuple[int, int], int]], pair: tuple[int, int]) -> bool:
    """Gives the lower of two ids the earlier of their places, if that costs the same."""
    low, high = pair
    mine, theirs = room.choice[low], room.choice[high]
    if theirs is None:
        return False
    taken = _key(room.options[high], theirs)
    to = places[low].get(taken)
    back = None if mine is None else places[high].get(_key(room.options[low], mine))
    if to is None or (mine is not None and (back is None or taken >= _key(room.options[low], mine))):
        return False
    before = _cost(room, low, mine) + _cost(room, high, theirs)
    if _cost(room, low, to) + _cost(room, high, back) != before:
        return False
    room.put(high, None)
    if not room.has_room(low, to, without=low):
        room.put(high, theirs)
        return False
    room.put(low, to)
    if back is not None and not room.has_room(high, back):
        room.put(low, mine)
        room.put(high, theirs)
        return False
    room.put(high, back)
    return True


def _key(one: Options, place: int) -> tuple[int, int]:
    return int(one.start[place]), int(one.member[place])


def _cost(room: _Room, turno: int, place: int | None) -> int:
    return 0 if place is None else int(room.options[turno].cost[place])
