"""What the API shows of turnos that went elsewhere together."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.runtime.fields import Resource
from turnosya.services.turnos.rearrangement import Change, Obstacle, Rearrangement


class MovedItem(Resource):
    """An appointment that went elsewhere, or would."""

    appointment_id: UUID
    starts_at: datetime
    ends_at: datetime
    staff_id: UUID
    previous_starts_at: datetime
    previous_staff_id: UUID


class KeptItem(Resource):
    """An appointment that stays where it is, and why."""

    appointment_id: UUID
    starts_at: datetime
    staff_id: UUID
    reason: str


class RearrangementResource(Resource):
    """What went elsewhere and what stays, each by its time."""

    dry_run: bool
    moved: list[MovedItem]
    kept: list[KeptItem]


def rearrangement_resource(plan: Rearrangement, zone: ZoneInfo, *, dry_run: bool) -> dict[str, Any]:
    """What becomes of each, as JSON values."""
    return RearrangementResource(
        dry_run=dry_run,
        moved=[_moved(change, zone) for change in plan.changes],
        kept=[_kept(one, zone) for one in plan.kept],
    ).model_dump(mode="json")


def _moved(change: Change, zone: ZoneInfo) -> MovedItem:
    before, after = change.before, change.after
    return MovedItem(
        appointment_id=after.id,
        starts_at=after.starts_at.astimezone(zone),
        ends_at=after.ends_at.astimezone(zone),
        staff_id=after.staff_id,
        previous_starts_at=before.starts_at.astimezone(zone),
        previous_staff_id=before.staff_id,
    )


def _kept(one: Obstacle, zone: ZoneInfo) -> KeptItem:
    starts_at = one.turno.starts_at.astimezone(zone)
    return KeptItem(
        appointment_id=one.turno.id, starts_at=starts_at, staff_id=one.turno.staff_id, reason=one.reason
    )
