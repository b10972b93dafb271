"""Keeping another time for somebody until they answer: a held row, and the proposal with the same id."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from turnosya.runtime.ids import new_id
from turnosya.services.turnos.closure import Proposal, ProposalStatus, Waiting
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.turno import Status, Turno, What, busy_span, history_line, session_of
from turnosya.services.turnos.windows import local_date, utc_offset_s

# R17: so long for an answer, never later than so long before the old start, but at least a quarter.
ANSWER_WITHIN = timedelta(hours=12)
BEFORE_START = timedelta(hours=2)
AT_LEAST = timedelta(minutes=15)
HELD_FOR_WAITING = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Spot:
    """A seat of a member at a time."""

    staff_id: UUID
    starts_at: datetime
    seat: int
    capacity: int


def offer_until(starts_at: datetime, *, now: datetime) -> datetime:
    """Until when an offer for a turno is held."""
    return max(now + AT_LEAST, min(now + ANSWER_WITHIN, starts_at - BEFORE_START))


def decided_until(starts_at: datetime, offer_ends_at: datetime) -> datetime:
    """Until when a turno that needs another time stays its client's."""
    return max(starts_at - BEFORE_START, offer_ends_at)


def at_spot(turno: Turno, spot: Spot, shop: Shop) -> Turno:
    """The same turno there, as long and with the same buffers as it was sold (R10)."""
    before, after = turno.starts_at - turno.busy_from, turno.busy_to - turno.ends_at
    duration = turno.ends_at - turno.starts_at
    busy = busy_span(spot.starts_at, duration, before, after)
    is_alone = turno.service_ids is not None
    return replace(
        turno,
        staff_id=spot.staff_id,
        session_id=turno.id if is_alone else session_of(spot.staff_id, turno.service_id, spot.starts_at),
        seat=1 if is_alone else spot.seat,
        capacity=spot.capacity,
        starts_at=spot.starts_at,
        ends_at=spot.starts_at + duration,
        busy_from=busy.start_at,
        busy_to=busy.end_at,
        starts_on=local_date(shop.calendar.zone, spot.starts_at),
        utc_offset_s=utc_offset_s(shop.calendar.zone, spot.starts_at),
        shifted_by_dst=False,
        overbooked=False,
    )


def held_row(turno: Turno, spot: Spot, shop: Shop, proposal: Proposal) -> Turno:
    """The row that keeps an offered time."""
    there = at_spot(replace(turno, id=proposal.id), spot, shop)
    line = history_line(What.PROPOSED, at=proposal.created_at, actor_id=None)
    return replace(
        there,
        status=Status.HELD,
        expires_at=proposal.expires_at,
        for_appointment_id=proposal.appointment_id or proposal.waiting_id,
        hold_id=None,
        series_id=None,
        created_at=proposal.created_at,
        version=1,
        history=[line],
    )


def proposal_for(turno: Turno, spot: Spot, *, proposal_id: UUID, now: datetime) -> Proposal:
    """The offer of a spot for a turno."""
    return Proposal(
        id=proposal_id,
        business_id=turno.business_id,
        appointment_id=turno.id,
        waiting_id=None,
        client_id=turno.client_id,
        staff_id=spot.staff_id,
        starts_at=spot.starts_at,
        ends_at=spot.starts_at + (turno.ends_at - turno.starts_at),
        expires_at=offer_until(turno.starts_at, now=now),
        status=ProposalStatus.OPEN,
        created_at=now,
    )


def proposal_to_waiting(one: Waiting, kind: Turno, spot: Spot, *, now: datetime) -> Proposal:
    """The offer of a spot to somebody who waits, for as long as ``kind``."""
    return Proposal(
        id=new_id(),
        business_id=one.business_id,
        appointment_id=one.appointment_id,
        waiting_id=one.id,
        client_id=one.client_id,
        staff_id=spot.staff_id,
        starts_at=spot.starts_at,
        ends_at=spot.starts_at + (kind.ends_at - kind.starts_at),
        expires_at=now + HELD_FOR_WAITING,
        status=ProposalStatus.OPEN,
        created_at=now,
    )


def as_sold_now(shop: Shop, one: Waiting, spot: Spot) -> Turno:
    """What somebody who waits would book there, at today's price and rules."""
    service = shop.service(one.service_id)
    ends_at = spot.starts_at + timedelta(minutes=service.duration_minutes)
    before = timedelta(minutes=service.buffer_before_minutes)
    after = timedelta(minutes=service.buffer_after_minutes)
    return Turno(
        id=one.id,
        business_id=one.business_id,
        client_id=one.client_id,
        client_name=None,
        client_phone=None,
        service_id=one.service_id,
        service_ids=None,
        staff_id=spot.staff_id,
        wants_any=one.staff_id is None,
        status=Status.HELD,
        session_id=one.id,
        seat=1,
        capacity=service.capacity,
        starts_at=spot.starts_at,
        ends_at=ends_at,
        busy_from=spot.starts_at - before,
        busy_to=ends_at + after,
        starts_on=local_date(shop.calendar.zone, spot.starts_at),
        utc_offset_s=utc_offset_s(shop.calendar.zone, spot.starts_at),
        overbooked=False,
        price_amount=service.price.amount if service.price else None,
        price_currency=service.price.currency if service.price else None,
        cancellation_notice_minutes=shop.schedule.cancellation_notice_minutes,
        note=None,
        expires_at=None,
        for_appointment_id=one.id,
        hold_id=None,
        created_at=spot.starts_at,
    )
