"""When the rules of a zone change, turnos keep their wall time: the instant moves, the client does not.

A row keeps the offset that the rules had for its start when it was given. Where they say another today, the
wall time that was agreed is another instant; nobody is told, for nothing has changed for anybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from turnosya.contracts.jobs import Job, ScheduleRequested
from turnosya.contracts.turnos import FollowZoneRules
from turnosya.runtime.messages import Nothing
from turnosya.services.turnos import copies, telling, zones
from turnosya.services.turnos.store import seats, shops
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Turno, What, session_of
from turnosya.services.turnos.windows import local_date, recurring_start, utc_offset_s

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

log = structlog.get_logger()

_PAGE = 200
_REST = "turnos.FollowZoneRules:rest"


async def follow(turnos: Turnos, request: FollowZoneRules) -> Nothing:
    """The job: looks at one page of businesses, then asks for the next."""
    async with turnos.db.read() as tx:
        page = await shops.zones_of(tx, after=request.after, limit=_PAGE)
        starts = await turno_store.starts_from(tx, [one.id for one in page], now=turnos.clock.now())
    zone_of = {one.id: zones.zone(one.timezone) for one in page}
    moved = {
        start.business_id
        for start in starts
        if utc_offset_s(zone_of[start.business_id], start.starts_at) != start.utc_offset_s
    }
    for business_id in sorted(moved):
        try:
            await anchor(turnos, business_id)
        except Exception:
            # The others must not wait for whatever one business's state makes of it.
            log.exception("anchoring_failed", business_id=str(business_id))
    if len(page) == _PAGE:
        rest = Job.of(FollowZoneRules(after=page[-1].id), key=_REST)
        async with turnos.db.transaction() as tx:
            await tx.publish(ScheduleRequested(job=rest))
    return Nothing()


async def anchor(turnos: Turnos, business_id: UUID) -> None:
    """Gives every turno to come of one business the instant of its wall time; a second time does nothing."""
    shop = await copies.kept_shop(turnos, business_id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, copies.keys_of(shop.business))
        shop = await copies.locked_shop(tx, business_id)
        now = turnos.clock.now()
        coming = await turno_store.live_from(tx, business_id, now=now)
        before = {turno.id: turno for turno in coming}
        anchored = not_twice([anchored_in(shop.calendar.zone, turno, now=now) for turno in coming], before)
        changed = [turno for turno in anchored if turno is not before[turno.id]]
        await turno_store.defer_constraints(tx)
        for turno in changed:
            await turno_store.save(tx, turno)
            for event in telling.anchored(turno, shop):
                await tx.publish(event)
    log.info("wall_times_kept", business_id=str(business_id), turnos=len(changed))


def anchored_in(zone: ZoneInfo, turno: Turno, *, now: datetime) -> Turno:
    """The turno at the instant that the zone's present rules have for its wall time."""
    if utc_offset_s(zone, turno.starts_at) == turno.utc_offset_s:
        return turno
    wall_local = turno.starts_at.replace(tzinfo=None) + timedelta(seconds=turno.utc_offset_s)
    since_midnight = wall_local - datetime.combine(wall_local.date(), time.min)
    minute, rest = divmod(since_midnight, timedelta(minutes=1))
    start_at, is_shifted = recurring_start(zone, wall_local.date(), minute)
    start_at = (start_at + rest).astimezone(UTC)
    by = start_at - turno.starts_at
    alone = turno.session_id == turno.id
    lapses_with_it = turno.expires_at == turno.starts_at
    return replace(
        turno.after(What.ANCHORED, at=now, actor_id=None, reason="zone_rules"),
        session_id=turno.id if alone else session_of(turno.staff_id, turno.service_id, start_at),
        starts_at=start_at,
        ends_at=turno.ends_at + by,
        busy_from=turno.busy_from + by,
        busy_to=turno.busy_to + by,
        starts_on=local_date(zone, start_at),
        utc_offset_s=utc_offset_s(zone, start_at),
        shifted_by_dst=turno.shifted_by_dst or is_shifted,
        expires_at=start_at if lapses_with_it else turno.expires_at,
    )


def not_twice(turnos: Sequence[Turno], before: Mapping[UUID, Turno]) -> list[Turno]:
    """The same, those flagged as overbooked that now meet another, as a change of rules can make them.

    Nothing that was sold is dropped (R11): whoever moved onto another's time stands beside it, as if the
    owner had set it so, and the owner sees it.
    """
    members: defaultdict[UUID, list[_Span]] = defaultdict(list)
    clients: defaultdict[UUID, list[_Span]] = defaultdict(list)
    for turno in turnos:
        members[turno.staff_id].append(_Span(turno.busy_from, turno.busy_to, turno))
        if turno.client_id is not None and turno.for_appointment_id is None:
            clients[turno.client_id].append(_Span(turno.starts_at, turno.ends_at, turno))
    meeting = {
        met
        for spans in (*members.values(), *clients.values())
        for met in _meeting(sorted(spans, key=lambda span: (span.from_at, span.turno.id)), before)
    }
    return [_beside(turno) if turno.id in meeting else turno for turno in turnos]


class _Span(NamedTuple):
    """The time that must be a turno's alone, of a member or of a client."""

    from_at: datetime
    to_at: datetime
    turno: Turno


def _meeting(in_order: Iterable[_Span], before: Mapping[UUID, Turno]) -> Iterator[UUID]:
    open_yet: list[_Span] = []
    for span in in_order:
        open_yet = [one for one in open_yet if one.to_at > span.from_at]
        for one in open_yet:
            first, second = one.turno, span.turno
            if first.session_id != second.session_id or first.seat == second.seat:
                yield (second if second is not before[second.id] else first).id
        open_yet.append(span)


def _beside(turno: Turno) -> Turno:
    return replace(turno, overbooked=True, session_id=turno.id, seat=1)
