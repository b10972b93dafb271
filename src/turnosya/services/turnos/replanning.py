"""From a business with turnos that need another time to the planner's problem, and from its plan back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from turnosya.services.turnos.availability import Slot, Sought, Taken, free_starts, limits_for_clients
from turnosya.services.turnos.offering import Spot
from turnosya.services.turnos.planning.problem import Affected, Kind, Place, Plan, Problem
from turnosya.services.turnos.preferences import Preferences
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.sought import sought_again
from turnosya.services.turnos.turno import Turno, session_of
from turnosya.services.turnos.windows import local_date

_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ANYTHING = Preferences()


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


class Replanning:
    """One problem with the way back: which number is whom, and which seats are left where."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._members = sorted(member.id for member in ground.shop.business.staff)
        self._numbers = {member: number for number, member in enumerate(self._members)}
        self._turnos = {str(turno.id): turno for turno in ground.affected}
        self.problem = self._problem()

    def _problem(self) -> Problem:
        """Starts that a client could book, for each length that is needed."""
        ground = self._ground
        shared: dict[Sought, int] = {}
        sought: list[Sought] = []
        found: list[Affected] = []
        for turno in sorted(ground.affected, key=lambda one: one.id):
            wanted = sought_again(ground.shop, turno)
            # Several services in a row share with nobody: a kind of its own for each.
            number = shared.get(wanted, len(sought)) if turno.service_ids is None else len(sought)
            if number == len(sought):
                sought.append(wanted)
                shared.setdefault(wanted, number)
            found.append(self._affected(turno, wanted, number))
        services = {one: number for number, one in enumerate(sorted(_services(sought)))}
        places = _Places(ground, self._numbers)
        kinds = [
            Kind(
                service=services[one.service_id] if one.service_id else len(services) + number,
                duration=one.duration // _MINUTE,
                before=one.buffer_before // _MINUTE,
                after=one.buffer_after // _MINUTE,
                places=places.of(one),
            )
            for number, one in enumerate(sought)
        ]
        return Problem(tuple(kinds), tuple(found))

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
            busy=self._busy(turno),
            dayparts=wants.dayparts or (),
            weekdays=wants.weekdays or (),
            automatic_moves=ground.moves.get(turno.id, 0),
        )

    def _busy(self, turno: Turno) -> tuple[tuple[int, int], ...]:
        """The client's other turnos here; those that are affected too are theirs until they move."""
        if turno.client_id is None:
            return ()
        others = [one for one in self._ground.live if one.client_id == turno.client_id]
        return tuple(
            sorted(
                (_minute(one.starts_at), _minute(one.ends_at))
                for one in others
                if turno.id not in {one.id, one.for_appointment_id}
            )
        )

    def spots(self, plan: Plan) -> dict[UUID, Spot]:
        """Where each placed turno goes, with a seat of its own where several share a session."""
        given: defaultdict[UUID, set[int]] = defaultdict(set)
        for turno in self._ground.live:
            given[turno.session_id].add(turno.seat)
        found: dict[UUID, Spot] = {}
        for placed in plan.placed:
            turno, staff_id = self._turnos[placed.id], self._members[placed.member]
            starts_at = _EPOCH + placed.start * _MINUTE
            seats = given[session_of(staff_id, turno.service_id, starts_at)]
            seat = next(number for number in range(1, len(seats) + 2) if number not in seats)
            seats.add(seat)
            capacity = sought_again(self._ground.shop, turno).capacity
            found[turno.id] = Spot(staff_id, starts_at, seat, capacity)
        return found


def _services(sought: Sequence[Sought]) -> set[UUID]:
    return {one.service_id for one in sought if one.service_id is not None}


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
        self._days = [today + timedelta(days=shift) for shift in range(-1, ground.horizon_days + 1)]
        self._taken: defaultdict[UUID, list[Taken]] = defaultdict(list)
        for turno in ground.live:
            if not turno.overbooked:
                self._taken[turno.staff_id].append(turno.taken)

    def of(self, sought: Sought) -> tuple[Place, ...]:
        """All of them, by member and time."""
        able = [one for one in sought.staff_ids if one in self._numbers]
        return tuple(place for staff_id in able for place in self._of_member(sought, staff_id))

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
