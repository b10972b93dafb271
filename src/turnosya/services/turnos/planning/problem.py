"""What the planner is given and what it answers: plain values, so that they can cross to a worker process.

Instants are whole minutes since 1970, local days are proleptic ordinals, members are numbers in the order
of their ids. The plan is a function of these values alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

# R18 in sixtieths of its points, so that an hour's fraction is a whole number: 1 an hour is 1 a minute.
POINT = 60
COST_A_DAY = 10 * POINT
COST_A_MINUTE = 1
COST_OF_ANOTHER_MEMBER = 5 * POINT
COST_OUTSIDE_PREFERENCES = 20 * POINT
COST_A_RANK = 4_000 * POINT
"""More than the rest can cost of a turno within the longest horizon, 366 days: who is before, is before."""

MOST_AUTOMATIC_MOVES = 2
MINUTES_A_DAY = 24 * 60

Limit = Literal["work", "time"]
Daypart = Literal["morning", "afternoon", "evening"]
DAYPARTS: dict[Daypart, tuple[int, int]] = {
    "morning": (0, 12 * 60),
    "afternoon": (12 * 60, 18 * 60),
    "evening": (18 * 60, MINUTES_A_DAY),
}
"""Local minutes of the day, half-open."""


class Place(NamedTuple):
    """A start that one member has free for one kind of turno."""

    member: int
    start: int
    day: int
    minute: int
    """Of the local day."""
    seats: int = 1
    """How many turnos of one service may share it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Turnos that take the same time: a service as it was sold, with its buffers, all in minutes."""

    service: int
    """The same number for what may share a session; a number of its own for what shares with nobody."""
    duration: int
    before: int = 0
    after: int = 0
    places: tuple[Place, ...] = ()

    @property
    def length_after(self) -> int:
        """From the start to the end of what may not overlap another."""
        return self.duration + self.after


@dataclass(frozen=True, slots=True)
class Affected:
    """A turno that needs another time."""

    id: str
    kind: int
    """Its place in ``Problem.kinds``."""
    member: int
    day: int
    minute: int
    """Where it was: the local day and the minute of it."""
    members: tuple[int, ...]
    """Who may do it: its own member, or more if it was booked with any or the client allows it."""
    client: str | None = None
    busy: tuple[tuple[int, int], ...] = ()
    """The client's own other turnos, half-open."""
    dayparts: tuple[Daypart, ...] = ()
    weekdays: tuple[int, ...] = ()
    """What the client has declared to prefer, 1 = Monday; nothing declared prefers nothing."""
    automatic_moves: int = 0
    rank: int = 0
    """How many come before, if not all can be placed: 0 for turnos, from 1 on for the waitlist."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far to search. Only ``nodes`` decides in ordinary times; the seconds are an outer guard."""

    nodes: int = 400
    guard_s: float = 8.0


@dataclass(frozen=True, slots=True)
class Problem:
    """All that a plan depends on."""

    kinds: tuple[Kind, ...]
    affected: tuple[Affected, ...]
    limits: Limits = Limits()


class Placed(NamedTuple):
    """Where one turno goes."""

    id: str
    member: int
    start: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The best plan found, with what is proven about any other."""

    placed: tuple[Placed, ...]
    """In the order of the turnos' ids, as is ``unplaced``."""
    unplaced: tuple[str, ...]
    cost: int
    """Of all who are placed, in sixtieths of R18's points."""
    least_unplaced: int
    """No plan leaves fewer without a place."""
    least_cost: int
    """No plan that places as many costs less."""
    limit: Limit | None = None
    """Which limit ended the search before the proof, if one did."""

    @property
    def is_proved(self) -> bool:
        """Whether nothing can be better."""
        return len(self.unplaced) == self.least_unplaced and self.cost == self.least_cost

    @property
    def gap(self) -> float:
        """How much the plan may cost above the best possible one, as a part of the latter; 0 when proved.

        Only where as many are placed as can be; else there is no such figure, and it is infinite.
        """
        if len(self.unplaced) != self.least_unplaced:
            return float("inf")
        return (self.cost - self.least_cost) / max(1, self.least_cost)
