"""Why a time is not offered: the reason of each member, with the hours and turnos that make it so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import Member
from turnosya.runtime.idempotency import Once
from turnosya.runtime.messages import Forbidden
from turnosya.services.turnos import copies
from turnosya.services.turnos.availability import Place, Reason, Sought, judge
from turnosya.services.turnos.fresh import Stale, until_fresh
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store.seats import About, Seat
from turnosya.services.turnos.turno import busy_span
from turnosya.services.turnos.windows import Window, instant, local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_NO_KEY = Once(None, b"")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A time that somebody who runs the business wonders about."""

    business_id: UUID
    service_id: UUID
    at: datetime
    asked_by: UUID
    staff_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class MemberAnswer:
    """Why one member cannot; None where they can."""

    member: Member
    reason: Reason | None
    windows: Sequence[Window]
    """Their hours that open on that date, or reach into it from the date before."""
    is_holiday: bool
    in_the_way: Sequence[Seat]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a client would be told who wants that time now, and why, member by member."""

    shop: Shop
    reason: Reason | None
    span: Window
    members: Sequence[MemberAnswer]


async def explain(turnos: Turnos, doubt: Doubt) -> Explanation:
    """Why that time is offered or is not; Forbidden for whoever does not run the business."""
    if not await copies.is_run_by(turnos, doubt.business_id, doubt.asked_by):
        raise Forbidden
    return await until_fresh(lambda: _look(turnos, doubt))


async def _look(turnos: Turnos, doubt: Doubt) -> Explanation:
    shop = await copies.current_shop(turnos, doubt.business_id)
    shop = await copies.shop_where(turnos, shop, lambda shop: shop.knows(doubt.staff_id, [doubt.service_id]))
    members = [one for one in shop.business.staff if not one.deleted]
    if doubt.staff_id is not None:
        members = [shop.member(doubt.staff_id)]
    sought, now = shop.sought((doubt.service_id,)), turnos.clock.now()
    zone = shop.calendar.zone
    day = local_date(zone, doubt.at)
    busy = busy_span(doubt.at, sought.duration, sought.buffer_before, sought.buffer_after)
    around = Window(
        min(busy.start_at, instant(zone, day, 0)),
        max(busy.end_at, instant(zone, day + timedelta(days=1), 0)),
    )
    about = About(doubt.business_id, [member.id for member in members], None, busy, around)
    async with turnos.db.read() as tx:
        look = await seats.look(tx, about, once=_NO_KEY)
    if look is None or look.revisions != shop.revisions:
        raise Stale
    question = _Question(
        shop, sought, doubt.at, busy, [seat for seat in look.seats if not seat.has_lapsed(now)], now
    )
    return Explanation(
        shop=shop,
        reason=question.reason(doubt.staff_id),
        span=Window(doubt.at, doubt.at + sought.duration),
        members=[question.of_member(member) for member in sorted(members, key=lambda one: one.id)],
    )


@dataclass(frozen=True, slots=True)
class _Question:
    shop: Shop
    sought: Sought
    at: datetime
    busy: Window
    live: Sequence[Seat]
    now: datetime

    def reason(self, staff_id: UUID | None) -> Reason | None:
        found = judge(
            self.shop.calendar,
            self.sought,
            [seat.taken for seat in self.live],
            self.at,
            limits=self.shop.client_limits(self.now),
            staff_id=staff_id,
        )
        return None if isinstance(found, Place) else found

    def of_member(self, member: Member) -> MemberAnswer:
        before, same, _ = self.shop.calendar.days_around(member.id, self.at)
        day_start = instant(self.shop.calendar.zone, local_date(self.shop.calendar.zone, self.at), 0)
        overnight = [window for window in before.windows if window.end_at > day_start]
        return MemberAnswer(
            member=member,
            reason=self.reason(member.id),
            windows=[*overnight, *same.windows],
            is_holiday=same.is_holiday,
            in_the_way=[seat for seat in self.live if self._is_in_the_way(seat, member)],
        )

    def _is_in_the_way(self, seat: Seat, member: Member) -> bool:
        span = seat.taken.busy
        meets = span.start_at < self.busy.end_at and self.busy.start_at < span.end_at
        return seat.taken.staff_id == member.id and meets
