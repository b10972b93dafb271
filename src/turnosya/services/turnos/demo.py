"""A demonstration month in the agenda of one business, placed by the rules of every booking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import Business, Offered
from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.turnos.availability import Place, Slot, Taken, free_starts, judge, limits_for_owners
from turnosya.services.turnos.shops import Schedule, Shop
from turnosya.services.turnos.store import seats, shops
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, What, busy_span, history_line, session_of
from turnosya.services.turnos.windows import instant, local_date, utc_offset_s

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_COMPLETED, _NO_SHOW = 0.80, 0.88
"""Of what is past, so many were completed, so many more nobody came to; the rest was cancelled."""
_STAYS = 0.92
"""Of what is to come, so many stand; the rest was cancelled."""


@dataclass(frozen=True, slots=True)
class Month:
    """What an agenda is filled with: ``turnos_a_day`` of ``clients`` on each open date."""

    weekly: Sequence[Mapping[str, Any]]
    clients: Sequence[UUID]
    first_on: date
    last_on: date
    turnos_a_day: int


async def fill_agenda(turnos: Turnos, business: Business, month: Month, chance: Random) -> int:
    """Publishes the hours and stores the turnos; how many, and none where the business has any already.

    Nobody is told of them, nor are they jobs: their events are not published, for they did not happen.
    """
    async with turnos.db.transaction() as tx:
        keys = {seats.business_key(business.id), *(seats.staff_key(member.id) for member in business.staff)}
        await seats.lock(tx, keys)
        await shops.take_over(tx, business)
        wanted = turno_store.Wanted(business_id=business.id)
        if await turno_store.listed(tx, wanted, after=None, limit=1):
            return 0
        shop = (await _known(tx, business)).with_schedule(Schedule(weekly=month.weekly))
        await shops.save_schedule(tx, business.id, shop.schedule)
        made = list(_Life(shop, month, chance, turnos.clock.now()).turnos())
        await turno_store.add_many(tx, made)
    return len(made)


async def _known(tx: Transaction, business: Business) -> Shop:
    shop = await shops.find(tx, business.id)
    assert shop is not None, "taken over above"  # noqa: S101 - in this very transaction
    return shop


@dataclass(frozen=True, slots=True)
class _Life:
    """What happens in one shop within a month."""

    shop: Shop
    month: Month
    chance: Random
    now: datetime

    def turnos(self) -> Iterator[Turno]:
        days = (self.month.last_on - self.month.first_on).days + 1
        for shift in range(days):
            yield from self._of(self.month.first_on + timedelta(days=shift))

    def _of(self, day: date) -> list[Turno]:
        made: list[Turno] = []
        clients = self.month.clients
        # A client comes at most once a day here, so that none is in two places (R14).
        for client_id in self.chance.sample(clients, min(self.month.turnos_a_day, len(clients))):
            service = self.chance.choice(self.shop.business.services)
            taken = [turno.taken for turno in made]
            slot = self._free_slot(service, taken, day)
            if slot is not None:
                place = self._place(service, taken, slot)
                made.append(self._lived(self._booked(service, slot, place, client_id=client_id)))
        return made

    def _free_slot(self, service: Offered, taken: Sequence[Taken], day: date) -> Slot | None:
        begins_at = instant(self.shop.calendar.zone, day, 0)
        limits = limits_for_owners(begins_at)
        sought = self.shop.sought([service.id])
        slots = free_starts(self.shop.calendar, sought, taken, days=[day], limits=limits)
        return self.chance.choice(slots) if slots else None

    def _place(self, service: Offered, taken: Sequence[Taken], slot: Slot) -> Place:
        sought, limits = self.shop.sought([service.id]), limits_for_owners(slot.start_at)
        place = judge(self.shop.calendar, sought, taken, slot.start_at, limits=limits)
        assert isinstance(place, Place), "what is offered is accepted"  # noqa: S101 - one engine decides both
        return place

    def _booked(self, service: Offered, slot: Slot, place: Place, *, client_id: UUID) -> Turno:
        sought = self.shop.sought([service.id])
        busy = busy_span(slot.start_at, sought.duration, sought.buffer_before, sought.buffer_after)
        booked_at = min(slot.start_at - timedelta(days=2), self.now - timedelta(hours=1))
        return Turno(
            id=new_id(),
            business_id=self.shop.business.id,
            client_id=client_id,
            client_name=None,
            client_phone=None,
            service_id=service.id,
            service_ids=None,
            staff_id=place.staff_id,
            wants_any=True,
            status=Status.CONFIRMED,
            session_id=session_of(place.staff_id, service.id, slot.start_at),
            seat=place.seat,
            capacity=sought.capacity,
            starts_at=slot.start_at,
            ends_at=slot.end_at,
            busy_from=busy.start_at,
            busy_to=busy.end_at,
            starts_on=local_date(self.shop.calendar.zone, slot.start_at),
            utc_offset_s=utc_offset_s(self.shop.calendar.zone, slot.start_at),
            overbooked=False,
            price_amount=service.price.amount if service.price else None,
            price_currency=service.price.currency if service.price else None,
            cancellation_notice_minutes=self.shop.schedule.cancellation_notice_minutes,
            note=None,
            expires_at=None,
            for_appointment_id=None,
            hold_id=None,
            created_at=booked_at,
            history=[history_line(What.BOOKED, at=booked_at, actor_id=client_id)],
        )

    def _lived(self, turno: Turno) -> Turno:
        """What became of it."""
        status, what = self._fate(is_past=turno.ends_at <= self.now)
        if what is None:
            return turno
        by_client = what is What.CANCELLED
        at = turno.starts_at - timedelta(days=1) if by_client else turno.ends_at
        actor_id = turno.client_id if by_client else self.shop.business.owner_id
        return replace(turno.after(what, at=min(at, self.now), actor_id=actor_id), status=status)

    def _fate(self, *, is_past: bool) -> tuple[Status, What | None]:
        luck = self.chance.random()
        if not is_past and luck < _STAYS:
            return Status.CONFIRMED, None
        if is_past and luck < _COMPLETED:
            return Status.COMPLETED, What.COMPLETED
        if is_past and luck < _NO_SHOW:
            return Status.NO_SHOW, What.NO_SHOW
        return Status.CANCELLED, What.CANCELLED
