"""The papers of a verification: kept while it is asked or holds, released with its end; and that end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.business import (
    TendVerifications,
    VerificationEndedByName,
    VerificationExpired,
    VerificationExpiring,
)
from turnosya.contracts.files import FileGone, FileReleased
from turnosya.runtime.messages import Nothing
from turnosya.services.business.store import businesses
from turnosya.services.business.store import verifications as store
from turnosya.services.business.verification_state import (
    USES,
    Status,
    Step,
    Verification,
    What,
    day_in,
    next_step,
)

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.business.context import Businesses
    from turnosya.services.business.state import BusinessState

log = structlog.get_logger()

_PAGE, _PAGES = 200, 50
_ENDS: Mapping[What, Status] = {
    "rejected": "rejected",
    "revoked": "revoked",
    "expired": "expired",
    "withdrawn": "withdrawn",
    "superseded": "superseded",
    "renamed": "renamed",
}


async def end(tx: Transaction, verification: Verification, step: Step) -> Verification:
    """A request neither waits nor holds any more: its papers are released, the badge goes with what held."""
    ended = replace(
        verification,
        status=_ENDS[step.what],
        documents=(),
        reason=step.reason,
        decided_at=verification.decided_at or step.at,
        next_step_at=None,
    )
    await store.put(tx, ended, step)
    if verification.status == "approved":
        await store.set_verified(tx, verification.business_id, None)
    for file_id in verification.documents:
        await tx.publish(FileReleased(file_id=file_id, by=verification.by))
    return ended


async def end_all(tx: Transaction, business_id: UUID, *, now: datetime) -> None:
    """The business is closed, and with it all that it asked."""
    for one in (await store.live(tx, business_id)).values():
        await end(tx, one, Step(now, "withdrawn", None, None))


async def end_with_name(
    tx: Transaction, before: BusinessState, after: BusinessState, *, now: datetime
) -> None:
    """It is called otherwise: what was asked or holds was for another name, and its owner is told."""
    for one in (ended := await store.live(tx, before.id)).values():
        await end(tx, one, Step(now, "renamed", before.owner_id, None))
    if ended:
        await tx.publish(
            VerificationEndedByName(
                business_id=after.id,
                business_name=after.profile.name,
                owner_id=after.owner_id,
                former_name=before.profile.name,
            )
        )


async def gone(tx: Transaction, event: FileGone) -> None:
    """The file of a paper was deleted before files heard of its use."""
    use, _, verification_id = event.by.partition("/")
    if use == USES:
        await store.without_document(tx, UUID(verification_id), event.file_id)


async def tend(here: Businesses, _request: TendVerifications) -> Nothing:
    """The job: owners are reminded, and what is over ends; each by itself, so that a kill repeats nothing."""
    now = here.clock.now()
    told = 0
    for _ in range(_PAGES):
        async with here.db.read() as tx:
            due = await store.due(tx, now, limit=_PAGE)
        for business_id, verification_id in due:
            async with here.db.transaction() as tx:
                await _step(tx, business_id, verification_id, now)
        told += len(due)
        if len(due) < _PAGE:
            break
    log.info("verifications_tended", steps=told)
    return Nothing()


async def _step(tx: Transaction, business_id: UUID, verification_id: UUID, now: datetime) -> None:
    state = await businesses.lock(tx, business_id)
    live = await store.live(tx, business_id)
    holding = live.get("approved")
    if state is None or holding is None or holding.id != verification_id:
        return
    if holding.expires_at is None or holding.next_step_at is None or holding.next_step_at > now:
        return
    of = {"business_id": state.id, "business_name": state.profile.name, "owner_id": state.owner_id}
    if holding.expires_at <= now:
        await end(tx, holding, Step(now, "expired", None, None))
        await tx.publish(VerificationExpired.model_validate(of))
        return
    later = replace(holding, next_step_at=next_step(holding.expires_at, now))
    if "pending" in live:
        # Who has handed in new papers needs no reminder.
        await store.put(tx, later, None)
        return
    await store.put(tx, later, Step(now, "reminded", None, None))
    expires_on = day_in(state.profile.timezone, holding.expires_at)
    await tx.publish(VerificationExpiring.model_validate({**of, "expires_on": expires_on}))
