"""Booking a time: by a client, by the business for one, or held while a client decides (R9, R13, R15)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import invalid
from turnosya.services.turnos import copies, rules, telling
from turnosya.services.turnos.availability import (
    CONFLICTS,
    OUTSIDE_HOURS,
    Limits,
    Place,
    Reason,
    Sought,
    judge,
    limits_for_owners,
)
from turnosya.services.turnos.fresh import Stale, unless_kept, until_fresh
from turnosya.services.turnos.lapsing import clear_lapsed
from turnosya.services.turnos.refusals import OTHER_HOLD, HoldExpired, TooManyHolds, refused
from turnosya.services.turnos.resources import appointment_resource, hold_resource
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store.seats import About, Look, New, Seat
from turnosya.services.turnos.turno import Status, Turno, What, busy_span, history_line, session_of
from turnosya.services.turnos.windows import Window, instant, local_date, utc_offset_s

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Client:
    """For whom: an account, or a name and perhaps a number without one."""

    user_id: UUID | None
    name: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants booked."""

    business_id: UUID
    service_ids: tuple[UUID, ...]
    starts_at: datetime
    client: Client
    actor_id: UUID
    staff_id: UUID | None = None
    note: str | None = None
    hold_id: UUID | None = None
    is_hold: bool = False
    by_business: bool = False
    force: bool = False
    overbook: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An order against the business as it is: what is sought, and whose time it may take."""

    order: Order
    shop: Shop
    sought: Sought
    now: datetime

    @property
    def staff_ids(self) -> tuple[UUID, ...]:
        """Members whose time may be taken."""
        wanted = self.order.staff_id
        if wanted is None:
            return self.sought.staff_ids
        return (wanted,) if wanted in self.sought.staff_ids else ()

    @property
    def span(self) -> Window:
        """The time sought, without buffers."""
        return Window(self.order.starts_at, self.order.starts_at + self.sought.duration)

    @property
    def busy(self) -> Window:
        """The time sought, with buffers."""
        sought = self.sought
        return busy_span(self.order.starts_at, sought.duration, sought.buffer_before, sought.buffer_after)

    @property
    def around(self) -> Window:
        """The time whose rows decide: the turno's own, and the day by which "any" is shared out."""
        if len(self.staff_ids) <= 1:
            return self.busy
        zone = self.shop.calendar.zone
        day = local_date(zone, self.order.starts_at)
        day_end = instant(zone, day + timedelta(days=1), 0)
        return Window(min(self.busy.start_at, instant(zone, day, 0)), max(self.busy.end_at, day_end))

    @property
    def about(self) -> About:
        """On which rows the decision depends."""
        order = self.order
        return About(order.business_id, self.staff_ids, order.client.user_id, self.span, self.around)


async def book(turnos: Turnos, order: Order, once: Once) -> Kept:
    """Books, or holds, a time; the first answer again for a repeated key.

    Raises SlotUnavailable, SlotTaken, HoldExpired, TooManyHolds, NotFound for an unknown business and
    Invalid for a service or member that is not of it.
    """
    async with once.queued():
        return await unless_kept(turnos.db, once, lambda: _book(turnos, order, once))


async def _book(turnos: Turnos, order: Order, once: Once) -> Kept:
    try:
        return await _try(turnos, order, once, await copies.recent_shop(turnos, order.business_id))
    except Stale:
        return await until_fresh(lambda: _try_anew(turnos, order, once))


async def _try_anew(turnos: Turnos, order: Order, once: Once) -> Kept:
    return await _try(turnos, order, once, await copies.current_shop(turnos, order.business_id))


async def _try(turnos: Turnos, order: Order, once: Once, shop: Shop) -> Kept:
    now = turnos.clock.now()
    copies.trading(shop)
    shop = await copies.shop_where(turnos, shop, lambda shop: shop.knows(order.staff_id, order.service_ids))
    if order.staff_id is not None:
        shop.member(order.staff_id)
    attempt = Attempt(order, shop, shop.sought(order.service_ids), now)
    kept = await _at_once(turnos, attempt, once)
    if kept is not None:
        return kept
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, keys_of(attempt), once=once)
        look = await seats.look(tx, attempt.about, once=once)
        if look is None or look.revisions != shop.revisions:
            raise Stale
        if look.kept is not None:
            return look.kept
        await clear_lapsed(turnos, tx, shop, look.seats)
        new = _new(turnos, attempt, decide(turnos, attempt, look), once)
        conflict = await seats.write(tx, new)
        if conflict is not None:
            raise refused(conflict)
        return Kept(201, new.answer)


async def _at_once(turnos: Turnos, attempt: Attempt, once: Once) -> Kept | None:
    """Decides by a look without locks, and books if under the locks all is still so; None if it is not.

    What it refuses was taken at the moment of the look.
    """
    async with turnos.db.at_once() as tx:
        look = await seats.look(tx, attempt.about, once=once)
    if look is None or look.revisions != attempt.shop.revisions:
        raise Stale
    if look.kept is not None:
        return look.kept
    if any(seat.has_lapsed(attempt.now) for seat in look.seats):
        return None
    new = _new(turnos, attempt, decide(turnos, attempt, look), once)
    async with turnos.db.at_once() as tx:
        booked = await seats.write_if_still_so(tx, new, look, keys_of(attempt))
    return Kept(201, new.answer) if booked else None


def keys_of(attempt: Attempt) -> set[int]:
    """The locks on everybody whose time the turno could take: members and client."""
    order = attempt.order
    keys = {seats.staff_key(staff_id) for staff_id in attempt.staff_ids}
    if order.client.user_id is not None:
        keys.add(seats.client_key(order.business_id, order.client.user_id))
    return keys


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the turno goes and the holds that it replaces."""

    place: Place
    holds: Sequence[Seat] = ()
    overbooked: bool = False


def decide(turnos: Turnos, attempt: Attempt, look: Look) -> Decision:
    """Where the turno goes; raises SlotUnavailable, SlotTaken, HoldExpired, TooManyHolds."""
    order = attempt.order
    live = [seat for seat in look.seats if not seat.has_lapsed(attempt.now)]
    if order.is_hold:
        _refuse_too_many(turnos, attempt, live)
    holds = [] if order.is_hold else _own_holds(attempt, live)
    used = {hold.id for hold in holds}
    others = [seat for seat in live if seat.id not in used]
    found = _judge(attempt, others, holds)
    if isinstance(found, Place):
        return Decision(found, holds)
    if found in CONFLICTS and order.overbook:
        # Where only the client is not free, a member who is; else whoever has fewest turnos that day.
        forced = _seek(attempt, others, lifted=() if found is Reason.CLIENT_BUSY else CONFLICTS)
        if isinstance(forced, Place):
            return Decision(forced, holds, overbooked=True)
    raise refused(found)


def _own_holds(attempt: Attempt, live: Sequence[Seat]) -> list[Seat]:
    """The client's holds on that very start: they become this turno, with or without their id."""
    order = attempt.order
    mine = [
        seat
        for seat in live
        if seat.status is Status.HELD and seat.client_id == order.client.user_id and seat.offered_for is None
    ]
    found = [
        seat
        for seat in mine
        if seat.taken.start_at == order.starts_at and (seat.service_id,) == order.service_ids
    ]
    if order.hold_id is None:
        return found
    named = next((seat for seat in mine if seat.id == order.hold_id), None)
    if named is None:
        raise HoldExpired
    if named not in found or order.staff_id not in (None, named.taken.staff_id):
        raise invalid("hold_id", "other_hold", OTHER_HOLD)
    return [named]


def _judge(attempt: Attempt, seats_taken: Sequence[Seat], holds: Sequence[Seat]) -> Place | Reason:
    found = _seek(attempt, seats_taken, holds)
    if isinstance(found, Place) and any(_is_same_client(attempt, seat) for seat in seats_taken):
        return Reason.CLIENT_BUSY
    return found


def _seek(
    attempt: Attempt,
    seats_taken: Sequence[Seat],
    holds: Sequence[Seat] = (),
    *,
    lifted: Collection[Reason] = (),
) -> Place | Reason:
    """Which member could do it, whatever else the client has then."""
    order = attempt.order
    kept = next((hold for hold in holds if order.staff_id in (None, hold.taken.staff_id)), None)
    return judge(
        attempt.shop.calendar,
        attempt.sought,
        [seat.taken for seat in seats_taken if seat.taken.staff_id in attempt.staff_ids],
        order.starts_at,
        limits=_limits(attempt, is_held=kept is not None),
        staff_id=kept.taken.staff_id if kept else order.staff_id,
        lifted={*lifted, *OUTSIDE_HOURS} if order.force else lifted,
    )


def _limits(attempt: Attempt, *, is_held: bool) -> Limits:
    # What a client holds was within the notice when they took it.
    if attempt.order.by_business or is_held:
        return limits_for_owners(attempt.now)
    return attempt.shop.client_limits(attempt.now)


def _is_same_client(attempt: Attempt, seat: Seat) -> bool:
    client_id = attempt.order.client.user_id
    if client_id is None or seat.client_id != client_id:
        return False
    return seat.taken.start_at < attempt.span.end_at and attempt.span.start_at < seat.ends_at


def _refuse_too_many(turnos: Turnos, attempt: Attempt, live: Sequence[Seat]) -> None:
    client_id = attempt.order.client.user_id
    ends = [
        seat.expires_at
        for seat in live
        if seat.status is Status.HELD
        and seat.client_id == client_id
        and seat.offered_for is None
        and seat.expires_at
    ]
    if len(ends) >= turnos.settings.holds_per_client:
        raise TooManyHolds(retry_after_s=max(1, int((min(ends) - attempt.now).total_seconds())))


def _new(turnos: Turnos, attempt: Attempt, decision: Decision, once: Once) -> New:
    order, shop = attempt.order, attempt.shop
    turno = turno_of(turnos, attempt, decision)
    used = [hold.id for hold in decision.holds]
    if order.is_hold:
        return New(turno, once, answer=hold_resource(turno, shop.calendar.zone), used_holds=used)
    events = telling.booked(turno, shop, actor_id=order.actor_id)
    return New(turno, once, events, appointment_resource(turno, shop.calendar.zone), used)


def turno_of(turnos: Turnos, attempt: Attempt, decision: Decision) -> Turno:
    """The new turno, with all that it was sold for (R10)."""
    order, sought, shop, now = attempt.order, attempt.sought, attempt.shop, attempt.now
    services = [shop.service(service_id) for service_id in order.service_ids]
    prices = [service.price for service in services if service.price is not None]
    status, what, expires_at = _beginning(turnos, attempt)
    history = [history_line(what, at=now, actor_id=order.actor_id, reason=order.reason)]
    if decision.overbooked:
        history.append(history_line(What.OVERBOOKED, at=now, actor_id=order.actor_id, reason=order.reason))
    place, turno_id = decision.place, new_id()
    is_alone = sought.service_id is None or decision.overbooked
    return Turno(
        id=turno_id,
        business_id=order.business_id,
        client_id=order.client.user_id,
        client_name=order.client.name,
        client_phone=order.client.phone,
        service_id=services[0].id,
        service_ids=list(order.service_ids) if len(order.service_ids) > 1 else None,
        staff_id=place.staff_id,
        wants_any=order.staff_id is None,
        status=status,
        session_id=turno_id if is_alone else session_of(place.staff_id, services[0].id, order.starts_at),
        seat=1 if is_alone else place.seat,
        capacity=sought.capacity,
        starts_at=attempt.span.start_at,
        ends_at=attempt.span.end_at,
        busy_from=attempt.busy.start_at,
        busy_to=attempt.busy.end_at,
        starts_on=local_date(shop.calendar.zone, order.starts_at),
        utc_offset_s=utc_offset_s(shop.calendar.zone, order.starts_at),
        overbooked=decision.overbooked,
        price_amount=sum(price.amount for price in prices) if prices else None,
        price_currency=prices[0].currency if prices else None,
        cancellation_notice_minutes=shop.schedule.cancellation_notice_minutes,
        note=order.note,
        expires_at=expires_at,
        for_appointment_id=None,
        hold_id=decision.holds[0].id if decision.holds else None,
        created_at=now,
        history=history,
    )


def _beginning(turnos: Turnos, attempt: Attempt) -> tuple[Status, What, datetime | None]:
    """The first state of a turno, what its history calls it and when it lapses."""
    order, now = attempt.order, attempt.now
    if order.is_hold:
        return Status.HELD, What.BOOKED, now + timedelta(minutes=turnos.settings.hold_minutes)
    if attempt.shop.schedule.confirmation == "manual" and not order.by_business:
        return Status.PENDING, What.REQUESTED, rules.pending_until(now=now, starts_at=order.starts_at)
    return Status.CONFIRMED, What.BOOKED, None
