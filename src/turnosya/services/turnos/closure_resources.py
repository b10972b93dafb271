"""What the API shows of closures, of offers and of who waits; instants with the business's offset (R12)."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field

from turnosya.runtime.fields import CalendarDate, Resource
from turnosya.services.turnos.closure import (
    UNDECIDED,
    AffectedTurno,
    Closing,
    Outcome,
    Proposal,
    Waiting,
)
from turnosya.services.turnos.resources import Reschedule


class OutcomeItem(Resource):
    """What became of one affected appointment; time and member are those offered, or moved to."""

    appointment_id: UUID
    outcome: str
    starts_at: datetime | None
    staff_id: UUID | None
    reason: str | None


class PlanResource(Resource):
    """What the latest plan was worth: proved to be the best, or how far from that it may be.

    ``gap_percent`` is by how much it may cost more than the best; null where even more might be placed.
    """

    status: Literal["proved", "limit"]
    limit: Literal["work", "time"] | None
    gap_percent: float | None
    placed: int
    placed_at_most: int


class ClosureResource(Resource):
    """A time in which a business, or one member, is closed, and whom that affects."""

    id: UUID | None
    status: Literal["draft", "held", "answering", "settled"]
    business_id: UUID
    from_at: Annotated[datetime, Field(alias="from")]
    to_at: Annotated[datetime, Field(alias="to")]
    staff_id: UUID | None
    reason: str | None
    reschedule: Reschedule
    horizon_days: int
    created_at: datetime
    reopened_at: datetime | None
    second_round_at: datetime | None
    plan: PlanResource | None
    affected: int
    counts: dict[str, int]
    outcomes: list[OutcomeItem]


class ProposalResource(Resource):
    """A time that is held for a client until they answer."""

    id: UUID
    business_id: UUID
    appointment_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    staff_id: UUID
    expires_at: datetime
    status: Literal["open", "accepted", "declined", "expired", "withdrawn"]
    created_at: datetime


class WaitingResource(Resource):
    """A place in the waitlist; the dates are local, inclusive."""

    id: UUID
    business_id: UUID
    service_id: UUID
    staff_id: UUID | None
    first_on: Annotated[CalendarDate, Field(alias="from")]
    last_on: Annotated[CalendarDate, Field(alias="to")]
    appointment_id: UUID | None
    created_at: datetime


def closure_resource(
    closure_id: UUID | None, closing: Closing, found: Sequence[AffectedTurno], zone: ZoneInfo
) -> dict[str, Any]:
    """A closure with what has become of whom it affects; without an id a draft."""
    counts = Counter(one.outcome for one in found)
    return ClosureResource.model_validate(
        {
            "id": closure_id,
            "status": "draft" if closure_id is None else _closure_status(found),
            "business_id": closing.business_id,
            "from": closing.starts_at.astimezone(zone),
            "to": closing.ends_at.astimezone(zone),
            "staff_id": closing.staff_id,
            "reason": closing.reason,
            "reschedule": closing.reschedule,
            "horizon_days": closing.horizon_days,
            "created_at": closing.created_at.astimezone(zone),
            "reopened_at": closing.reopened_at.astimezone(zone) if closing.reopened_at else None,
            "second_round_at": (
                closing.second_round_at.astimezone(zone) if closing.second_round_at else None
            ),
            "plan": closing.plan,
            "affected": len(found),
            "counts": {outcome.value: counts[outcome] for outcome in Outcome},
            "outcomes": [_outcome_item(one, zone) for one in found],
        }
    ).model_dump(mode="json", by_alias=True)


def _closure_status(found: Sequence[AffectedTurno]) -> str:
    """Held until somebody answers, settled when nobody has to any more."""
    if not any(one.outcome in UNDECIDED for one in found):
        return "settled"
    return "answering" if any(one.answered for one in found) else "held"


def _outcome_item(one: AffectedTurno, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "appointment_id": one.appointment_id,
        "outcome": one.outcome,
        "starts_at": one.starts_at.astimezone(zone) if one.starts_at else None,
        "staff_id": one.staff_id,
        "reason": one.reason,
    }


def proposal_resource(proposal: Proposal, zone: ZoneInfo) -> dict[str, Any]:
    """An offer as JSON values."""
    return ProposalResource(
        id=proposal.id,
        business_id=proposal.business_id,
        appointment_id=proposal.appointment_id,
        starts_at=proposal.starts_at.astimezone(zone),
        ends_at=proposal.ends_at.astimezone(zone),
        staff_id=proposal.staff_id,
        expires_at=proposal.expires_at.astimezone(zone),
        status=proposal.status.value,
        created_at=proposal.created_at.astimezone(zone),
    ).model_dump(mode="json")


def waiting_resource(one: Waiting, zone: ZoneInfo) -> dict[str, Any]:
    """A place in the waitlist as JSON values."""
    return WaitingResource.model_validate(
        {
            "id": one.id,
            "business_id": one.business_id,
            "service_id": one.service_id,
            "staff_id": one.staff_id,
            "from": one.first_on,
            "to": one.last_on,
            "appointment_id": one.appointment_id,
            "created_at": one.created_at.astimezone(zone),
        }
    ).model_dump(mode="json", by_alias=True)
