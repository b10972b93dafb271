"""Verification: an owner hands in papers, an admin looks at them, and for a while the business is verified.

Papers are private files: their owner and admins read them, and they are kept no longer than they serve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import (
    SecurityNoted,
    VerificationApproved,
    VerificationRejected,
    VerificationRequested,
    VerificationRevoked,
)
from turnosya.contracts.files import FileFacts, FileNotUsable, FileUsed, GetFiles
from turnosya.runtime.clock import real_now
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Conflict, NotFound
from turnosya.services.business import changes, papers, profile
from turnosya.services.business.state import BusinessState
from turnosya.services.business.store import verifications as store
from turnosya.services.business.verification_state import (
    Status,
    Step,
    Verification,
    day_in,
    end_of,
    next_step,
)

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.business.context import Businesses

Shown = Callable[[Verification, Sequence[Step]], Mapping[str, Any]]


async def request(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    file_ids: Sequence[UUID],
    *,
    once: Once,
    shown: Shown,
) -> Kept:
    """Hands papers in, for the first time, after a rejection, or before a verification ends.

    Raises NotFound, Forbidden, FileNotUsable, Conflict while others wait, Unavailable with files away.
    """
    if once.key is not None:
        async with once.queued(), here.db.transaction() as tx:
            kept = await once.kept(tx)
        if kept is not None:
            return kept
    await _check_papers(here, business_id, actor_id, file_ids)
    now = here.clock.now()

    async def work(tx: Transaction) -> tuple[int, Mapping[str, Any]]:
        state = await changes.locked(tx, business_id, actor_id)
        if "pending" in await store.live(tx, business_id):
            raise Conflict
        asked = Verification(
            id=new_id(),
            business_id=business_id,
            status="pending",
            documents=tuple(file_ids),
            reason=None,
            created_at=now,
            decided_at=None,
            expires_at=None,
            next_step_at=None,
        )
        await store.put(tx, asked, Step(now, "requested", actor_id, None))
        for file_id in file_ids:
            await tx.publish(FileUsed(file_id=file_id, by=asked.by))
        await tx.publish(VerificationRequested(**_of(state)))
        return 201, shown(asked, await store.history(tx, business_id))

    return await once.answer(here.db, work)


async def withdraw(here: Businesses, business_id: UUID, actor_id: UUID) -> None:
    """Takes back what waits; what holds goes on. Raises NotFound, Forbidden."""
    async with here.db.transaction() as tx:
        await changes.locked(tx, business_id, actor_id)
        waiting = (await store.live(tx, business_id)).get("pending")
        if waiting is None:
            raise NotFound
        await papers.end(tx, waiting, Step(here.clock.now(), "withdrawn", actor_id, None))


async def read(
    here: Businesses, business_id: UUID, viewer: Caller
) -> tuple[Verification, list[Step], list[FileFacts]]:
    """What was asked last, what happened so far, and the papers with links for this reader.

    For the owner and admins; NotFound for all others, and where nothing was ever asked.
    """
    async with here.db.read() as tx:
        state = await profile.present(tx, business_id, viewer)
        found = await store.latest(tx, business_id)
        steps = await store.history(tx, business_id)
    if found is None or not (viewer.is_admin or viewer.user_id == state.owner_id):
        raise NotFound
    if not found.documents:
        return found, steps, []
    asked = GetFiles(ids=list(found.documents), reader_id=viewer.user_id)
    by_id = {one.id: one for one in (await here.bus.call(asked)).items}
    return found, steps, [by_id[one] for one in found.documents if one in by_id]


async def queue(
    here: Businesses, status: Status, *, after: UUID | None, limit: int
) -> list[tuple[Verification, str, UUID]]:
    """Requests in this state, those that wait longest first, with name and owner of their business."""
    async with here.db.read() as tx:
        return await store.queue(tx, status, after=after, limit=limit)


async def approve(
    here: Businesses, business_id: UUID, admin_id: UUID, *, seen_id: UUID | None = None
) -> tuple[Verification, list[Step]]:
    """The business is verified from now on; once more changes nothing. Raises NotFound, Conflict.

    ``seen_id`` is the request that the admin has looked at: another one was handed in since → Conflict.
    """
    now = here.clock.now()
    async with here.db.transaction() as tx:
        state, live = await _decidable(tx, business_id)
        waiting, holding = live.get("pending"), live.get("approved")
        if waiting is None:
            if holding is None or not _is_meant(holding, seen_id):
                raise Conflict
            return holding, await store.history(tx, business_id)
        if not _is_meant(waiting, seen_id):
            raise Conflict
        if holding is not None:
            await papers.end(tx, holding, Step(now, "superseded", admin_id, None))
        held_until = None if holding is None else holding.expires_at
        expires_at = end_of(now, held_until, days=here.settings.verification_days)
        approved = replace(
            waiting,
            status="approved",
            decided_at=now,
            expires_at=expires_at,
            next_step_at=next_step(expires_at, now),
        )
        await store.put(tx, approved, Step(now, "approved", admin_id, None))
        await store.set_verified(tx, business_id, expires_at)
        await tx.publish(
            VerificationApproved(**_of(state), expires_on=day_in(state.profile.timezone, expires_at))
        )
        await tx.publish(_noted("business_verified", state, admin_id))
        return approved, await store.history(tx, business_id)


async def reject(
    here: Businesses, business_id: UUID, admin_id: UUID, *, reason: str, seen_id: UUID | None = None
) -> tuple[Verification, list[Step]]:
    """What waits is not taken, and why; what holds goes on until it ends. Raises NotFound, Conflict."""
    now = here.clock.now()
    async with here.db.transaction() as tx:
        state, live = await _decidable(tx, business_id)
        waiting = live.get("pending")
        if waiting is None:
            last = await store.latest(tx, business_id)
            if last is None or last.status != "rejected" or not _is_meant(last, seen_id):
                raise Conflict
            return last, await store.history(tx, business_id)
        if not _is_meant(waiting, seen_id):
            raise Conflict
        rejected = await papers.end(tx, waiting, Step(now, "rejected", admin_id, reason))
        await tx.publish(VerificationRejected(**_of(state), reason=reason))
        await tx.publish(_noted("business_verification_rejected", state, admin_id))
        return rejected, await store.history(tx, business_id)


async def revoke(
    here: Businesses, business_id: UUID, admin_id: UUID, *, reason: str, seen_id: UUID | None = None
) -> tuple[Verification, list[Step]]:
    """The business is not verified any more, and why. Raises NotFound, Conflict if it is not."""
    now = here.clock.now()
    async with here.db.transaction() as tx:
        state, live = await _decidable(tx, business_id)
        holding = live.get("approved")
        if holding is None or not _is_meant(holding, seen_id):
            raise Conflict
        revoked = await papers.end(tx, holding, Step(now, "revoked", admin_id, reason))
        await tx.publish(VerificationRevoked(**_of(state), reason=reason))
        await tx.publish(_noted("business_verification_revoked", state, admin_id))
        return revoked, await store.history(tx, business_id)


def _is_meant(one: Verification, seen_id: UUID | None) -> bool:
    return seen_id is None or one.id == seen_id


def _of(state: BusinessState) -> dict[str, Any]:
    return {"business_id": state.id, "business_name": state.profile.name, "owner_id": state.owner_id}


def _noted(kind: str, state: BusinessState, admin_id: UUID) -> SecurityNoted:
    # The audit is on real time, as logs are.
    return SecurityNoted(kind=kind, actor_id=admin_id, subject_id=state.owner_id, at=real_now())


async def _decidable(tx: Transaction, business_id: UUID) -> tuple[BusinessState, dict[Status, Verification]]:
    """The business, locked, with what waits and what holds; NotFound if it never asked."""
    state = await changes.locked(tx, business_id, business_id, may=changes.anybody)
    if await store.latest(tx, business_id) is None:
        raise NotFound
    return state, await store.live(tx, business_id)


async def _check_papers(
    here: Businesses, business_id: UUID, actor_id: UUID, file_ids: Sequence[UUID]
) -> None:
    """All are documents of the owner's own, for this business or for none; only they may ask."""
    async with here.db.read() as tx:
        await changes.found(tx, business_id, actor_id)
    found = (await here.bus.call(GetFiles(ids=list(file_ids)))).items
    usable = {
        one.id
        for one in found
        if one.owner_id == actor_id
        and one.purpose == "verification_document"
        and one.business_id in {None, business_id}
    }
    if usable != set(file_ids):
        raise FileNotUsable
