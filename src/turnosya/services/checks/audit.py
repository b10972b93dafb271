"""What happened to accounts, kept for 90 days: who signed in, was refused, blocked, made admin, erased."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.checks import ForgetAudit, GetHeld
from turnosya.contracts.users import Held, SecurityFact
from turnosya.runtime.clock import real_now
from turnosya.runtime.database import current_delivery
from turnosya.runtime.messages import Nothing
from turnosya.services.checks import days
from turnosya.services.checks.store import alerts
from turnosya.services.checks.store import audit as store
from turnosya.services.checks.store.audit import Entry, Sought

if TYPE_CHECKING:
    from turnosya.services.checks.context import Checks

log = structlog.get_logger()

HOLDS: Mapping[str, str] = {
    "audit": "exported; kept for its 90 days: ids only, which name nobody once the account is gone",
}
"""Every table with a column that names a person, and what becomes of it."""

# More than most accounts have in 90 days.
_EXPORTED = 5000


async def note(checks: Checks, event: SecurityFact) -> None:
    """Keeps what another service says has happened."""
    delivery = current_delivery.get()
    assert delivery is not None, "only an event is noted"  # noqa: S101 - an inbox hands it over
    entry = Entry(
        id=delivery.event_id,
        at=event.at,
        service=event.wire_name.partition(".")[0],
        kind=event.kind,
        actor_id=event.actor_id,
        subject_id=event.subject_id,
        session_id=event.session_id,
        reason=event.reason,
    )
    async with checks.db.transaction() as tx:
        await store.note(tx, entry)


async def find(
    checks: Checks, sought: Sought, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Entry]:
    """Lines of the audit, the latest first."""
    async with checks.db.read() as tx:
        return await store.find(tx, sought, before=before, limit=limit)


async def held(checks: Checks, request: GetHeld) -> Held:
    """The audit of one person's account, the latest first, in parts."""
    before = None
    if request.after is not None:
        at, _, last = request.after.partition(" ")
        before = datetime.fromisoformat(at), UUID(last)
    found = await find(checks, Sought(person_id=request.user_id), before=before, limit=_EXPORTED)
    lines = [{"at": one.at.isoformat(), "kind": one.kind, "reason": one.reason} for one in found]
    more_after = f"{found[-1].at.isoformat()} {found[-1].id}" if len(found) == _EXPORTED else None
    return Held(records={"audit": lines}, more_after=more_after)


async def forget(checks: Checks, _request: ForgetAudit) -> Nothing:
    """The job: deletes what is kept no longer, of the audit, of alerts and of the days of the status page."""
    kept = timedelta(days=checks.settings.audit_kept_days)
    async with checks.db.transaction() as tx:
        await store.forget(tx, before=real_now() - kept)
        await alerts.forget(tx, before=real_now() - kept)
        await days.forget(tx)
    return Nothing()
