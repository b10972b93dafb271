"""From a business with turnos that need another time to the planner's problem, and from its plan back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from turnosya.services.turnos.availability import Slot, Sought, Taken, free_starts, limits_for_clients
from turnosya.services.turnos.closure import Waiting
from turnosya.services.turnos.offering import Spot
from turnosya.services.turnos.planning.problem import Affected, Kind, Place, Plan, Problem
from turnosya.services.turnos.preferences import Preferences
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.sought import sought_again
from turnosya.services.turnos.turno import Turno, session_of
from turnosya.services.turnos.windows import Window, local_date

_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ANYTHING = Preferences()


Start = tuple[UUID, datetime]
"""A member and a start."""


@dataclass(frozen=True, slots=True)
class Ground:
    """All that a plan depends on. ``shop`` is closed already, ``live`` is whatever takes time from now on."""

    shop: Shop
    affected: Sequence[Turno]
    live: Sequence[Turno]
    preferences: Mapping[UUID, Preferences]
    moves: Mapping[UUID, int]
    horizon_days: int
    now: datetime
    in_vain: Collection[UUID] = ()
    """Those of the affected who know already that there was no time for them, or did not want it."""
    waiting: Sequence[Waiting] = ()
    """Who competes with them for what became free, in the order of the line."""
    freed: Sequence[tuple[UUID, Window]] = ()
    """What became free, by member."""
    refused: Mapping[UUID, Collection[Start]] = field(default_factory=dict[UUID, Collection[Start]])
    """What a turno's client has declined, and what somebody who waits was offered before."""


class Replanning:
    """One problem with the way back: which number is whom, and which seats are left where."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._members = sorted(member.id for member in ground.shop.business.staff)
        self._numbers = {member: number for number, member in enumerate(self._members)}
        self._turnos = {str(turno.id): turno for turno in ground.affected}
        self._waiting = {str(one.id): one for one in ground.waiting}
        self._places = _Places(ground, self._numbers)
        self._kinds: list[Kind] = []
        self._services: dict[UUID, int] = {}
        self.problem = self._problem()

    def _problem(self) -> Problem:
        """Starts that a client could book, for each length that is needed."""
        ground = self._ground
        shared: dict[Sought, int] = {}
        found: list[Affected] = []
        for turno in sorted(ground.affected, key=lambda one: one.id):
            wanted = sought_again(ground.shop, turno)
            refused = ground.refused.get(turno.id, ())
            # Several services in a row share with nobody, and who declined a place is not offered it again.
            if turno.service_ids is not None or refused:
                number = self._kind(wanted, without=refused)
            elif wanted in shared:
                number = shared[wanted]
            else:
                number = shared[wanted] = self._kind(wanted)
            found.append(self._affected(turno, wanted, number))
        found += [self._in_line(one, rank) for rank, one in enumerate(ground.waiting, start=1)]
        return Problem(tuple(self._kinds), tuple(sorted(found, key=lambda one: one.id)))

    def _kind(
        self, wanted: Sought, *, without: Collection[Start] = (), only: Callable[[Place], bool] | None = None
    ) -> int:
        """The number of a new kind of turno."""
        gone = {(self._numbers[member], _minute(at)) for member, at in without if member in self._numbers}
        places = [one for one in self._places.of(wanted) if (one.member, one.start) not in gone]
        number = len(self._kinds)
        # A number of its own for what shares with nobody.
        service = -1 - number
        if wanted.service_id is not None:
            service = self._services.setdefault(wanted.service_id, len(self._services))
        self._kinds.append(
            Kind(
                service=service,
                duration=wanted.duration // _MINUTE,
                before=wanted.buffer_before // _MINUTE,
                after=wanted.buffer_after // _MINUTE,
                places=tuple(one for one in places if only is None or only(one)),
            )
        )
        return number

    def _in_line(self, one: Waiting, rank: int) -> Affected:
        """Somebody who waits, with what became free of the dates that they wait for."""
        ground = self._ground
        wanted = ground.shop.sought((one.service_id,))
        wants = ground.preferences.get(one.client_id, _ANYTHING) if one.client_id else _ANYTHING
        length = wanted.duration // _MINUTE
        freed = [
            (self._numbers.get(member, -1), _minute(span.start_at), _minute(span.end_at))
            for member, span in ground.freed
        ]

        def is_freed(place: Place) -> bool:
            return one.first_on.toordinal() <= place.day <= one.last_on.toordinal() and any(
                place.member == member and place.start < end and begin < place.start + length
                for member, begin, end in freed
            )

        able = [one.staff_id] if one.staff_id else wanted.staff_ids
        return Affected(
            id=str(one.id),
            kind=self._kind(wanted, without=ground.refused.get(one.id, ()), only=is_freed),
            member=-1,
            day=one.first_on.toordinal(),
            minute=0,
            members=tuple(sorted(self._numbers[member] for member in able if member in self._numbers)),
            client=str(one.client_id) if one.client_id else None,
            busy=self._engaged(one.client_id, one.id),
            dayparts=wants.dayparts or (),
            weekdays=wants.weekdays or (),
            rank=rank,
        )

    def _affected(self, turno: Turno, sought: Sought, kind: int) -> Affected:
        ground = self._ground
        zone = ground.shop.calendar.zone
        local = turno.starts_at.astimezone(zone)
        wants = ground.preferences.get(turno.client_id, _ANYTHING) if turno.client_id else _ANYTHING
        may_change = turno.wants_any or wants.staff == "any"
        able = set(sought.staff_ids) if may_change else {turno.staff_id} & set(sought.staff_ids)
        return Affected(
            id=str(turno.id),
            kind=kind,
            member=self._numbers.get(turno.staff_id, -1),
            day=local.toordinal(),
            minute=local.hour * 60 + local.minute,
            members=tuple(sorted(self._numbers[one] for one in able)),
            client=str(turno.client_id) if turno.client_id else None,
            busy=self._engaged(turno.client_id, turno.id),
            dayparts=wants.dayparts or (),
            weekdays=wants.weekdays or (),
            automatic_moves=ground.moves.get(turno.id, 0),
        )

    def _engaged(self, client_id: UUID | None, own_id: UUID) -> tuple[tuple[int, int], ...]:
        """The client's other turnos here; those that are affected too are theirs until they move."""
        if client_id is None:
            return ()
        others = [one for one in self._ground.live if one.client_id == client_id]
        return tuple(
            sorted(
                (_minute(one.starts_at), _minute(one.ends_at))
                for one in others
                if own_id not in {one.id, one.for_appointment_id}
            )
        )

    def spots(self, plan: Plan) -> dict[UUID, Spot]:
        """Where each goes who is placed, with a seat of its own where several share a session."""
        given: defaultdict[UUID, set[int]] = defaultdict(set)
        for turno in self._ground.live:
            given[turno.session_id].add(turno.seat)
        found: dict[UUID, Spot] = {}
        for placed in plan.placed:
            staff_id = self._members[placed.member]
            starts_at = _EPOCH + placed.start * _MINUTE
            own_id, service_id, capacity = self._named(placed.id)
            seats = given[session_of(staff_id, service_id, starts_at)]
            seat = next(number for number in range(1, len(seats) + 2) if number not in seats)
            seats.add(seat)
            found[own_id] = Spot(staff_id, starts_at, seat, capacity)
        return found

    def _named(self, placed_id: str) -> tuple[UUID, UUID, int]:
        """Whose id that is, their service and how many share a session of it."""
        shop, turno = self._ground.shop, self._turnos.get(placed_id)
        if turno is not None:
            return turno.id, turno.service_id, sought_again(shop, turno).capacity
        one = self._waiting[placed_id]
        return one.id, one.service_id, shop.sought((one.service_id,)).capacity


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


class _Places:
    """Starts that are free for a kind of turno, by member."""

    def __init__(self, ground: Ground, numbers: Mapping[UUID, int]) -> None:
        self._ground = ground
        self._numbers = numbers
        shop = ground.shop
        self._limits = limits_for_clients(
            shop.calendar,
            now_at=ground.now,
            min_notice_minutes=shop.schedule.min_notice_minutes,
            max_days_ahead=ground.horizon_days,
        )
        today = local_date(shop.calendar.zone, ground.now)
        self._found: dict[Sought, tuple[Place, ...]] = {}
        self._days = [today + timedelta(days=shift) for shift in range(-1, ground.horizon_days + 1)]
        self._taken: defaultdict[UUID, list[Taken]] = defaultdict(list)
        for turno in ground.live:
            if not turno.overbooked:
                self._taken[turno.staff_id].append(turno.taken)

    def of(self, sought: Sought) -> tuple[Place, ...]:
        """All of them, by member and time."""
        if sought not in self._found:
            able = [one for one in sought.staff_ids if one in self._numbers]
            self._found[sought] = tuple(
                place for staff_id in able for place in self._of_member(sought, staff_id)
            )
        return self._found[sought]

    def _of_member(self, sought: Sought, staff_id: UUID) -> list[Place]:
        calendar = self._ground.shop.calendar
        slots = free_starts(
            calendar,
            sought,
            self._taken[staff_id],
            days=self._days,
            limits=self._limits,
            staff_id=staff_id,
        )
        return [self._place(slot, slot.start_at.astimezone(calendar.zone)) for slot in slots]

    def _place(self, slot: Slot, local: datetime) -> Place:
        minute = local.hour * 60 + local.minute
        number = self._numbers[slot.staff_id]
        return Place(number, _minute(slot.start_at), local.toordinal(), minute, slot.remaining)
