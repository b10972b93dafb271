"""Verification of a business: handing papers in, and looking at them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Query, Response
from pydantic import AfterValidator, Field

from turnosya.contracts.files import FileFacts, FileNotUsable
from turnosya.runtime.field_errors import WORDS
from turnosya.runtime.fields import Closed, Instant, Resource
from turnosya.runtime.http import Admin, OnceOnly, SignedIn, json_of, kept_response, router
from turnosya.runtime.messages import Conflict, Forbidden, Unavailable, invalid
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.problems import refuses
from turnosya.services.business import values, verification
from turnosya.services.business.routes.forms import Here
from turnosya.services.business.verification_state import MAX_DOCUMENTS, Status, Step, Verification, What

queue_routes = router("/v1/businesses/verifications", tags=["businesses"])
routes = router("/v1/businesses/{business_id}/verification", tags=["businesses"])

Reason = Annotated[str, Field(max_length=1000), AfterValidator(values.many_lines)]


class Papers(Closed):
    """Uploads of the owner's with the purpose `verification_document`."""

    file_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_DOCUMENTS)]


class Seen(Closed):
    """`verification_id` is what the admin has looked at: 409 where another one has come since."""

    verification_id: UUID | None = None


class Why(Seen):
    """Why, as the owner is told; `verification_id` is what the admin has looked at."""

    reason: Reason


class StepShown(Resource):
    """What happened, and who did it; null where time did."""

    at: Instant
    what: What
    actor_id: UUID | None
    reason: str | None


class VerificationShown(Resource):
    """What was asked last. `file_ids` is empty once it neither waits nor holds: papers go then."""

    id: UUID
    business_id: UUID
    status: Status
    file_ids: list[UUID]
    reason: str | None
    """Why it was rejected or revoked."""
    created_at: Instant
    decided_at: Instant | None
    expires_at: Instant | None
    history: list[StepShown]


class PaperShown(Resource):
    """A paper; its addresses are signed for the reader and good for five minutes."""

    id: UUID
    url: str
    content_type: str
    size_bytes: int
    width: int | None
    height: int | None
    variants: dict[str, str]


class VerificationRead(VerificationShown):
    """What was asked last, with the papers themselves."""

    files: list[PaperShown]


class WaitingShown(Resource):
    """A request in the queue."""

    id: UUID
    business_id: UUID
    business_name: str
    owner_id: UUID
    status: Status
    file_ids: list[UUID]
    created_at: Instant
    decided_at: Instant | None
    expires_at: Instant | None


@queue_routes.get("", responses=refuses(Forbidden))
async def queue(
    here: Here,
    _admin: Admin,
    page: Paged,
    status: Annotated[Literal["pending", "approved", "rejected", "expired", "revoked"], Query()] = "pending",
) -> Listed[WaitingShown]:
    """Requests in a state, those that wait longest first (admin)."""
    found = await verification.queue(here, status, after=after_id(page), limit=page.read)
    items = [
        WaitingShown(
            id=one.id,
            business_id=one.business_id,
            business_name=name,
            owner_id=owner_id,
            status=one.status,
            file_ids=list(one.documents),
            created_at=one.created_at,
            decided_at=one.decided_at,
            expires_at=one.expires_at,
        )
        for one, name, owner_id in found
    ]
    return page.of(items, sort_values=lambda one: [one.id])


@routes.post(
    "",
    status_code=201,
    response_model=VerificationShown,
    responses=refuses(Forbidden, Conflict, FileNotUsable, Unavailable),
)
async def request(
    here: Here, *, business_id: UUID, body: Papers, caller: SignedIn, once: OnceOnly
) -> Response:
    """Hand in papers, or new ones before a verification ends (owner)."""
    if len(set(body.file_ids)) < len(body.file_ids):
        raise invalid("file_ids", "file_ids", WORDS["twice"])
    kept = await verification.request(
        here, business_id, caller.user_id, body.file_ids, once=once, shown=_json
    )
    return kept_response(kept)


@routes.get("", responses=refuses(Unavailable))
async def read(here: Here, business_id: UUID, caller: SignedIn) -> VerificationRead:
    """What was asked last, with its papers and all that happened (owner, admin)."""
    found, steps, files = await verification.read(here, business_id, caller)
    return VerificationRead(**_columns(found, steps), files=[_paper(one) for one in files])


@routes.delete("", status_code=204, response_class=Response, responses=refuses(Forbidden))
async def withdraw(here: Here, business_id: UUID, caller: SignedIn) -> Response:
    """Take back what waits for an admin (owner)."""
    await verification.withdraw(here, business_id, caller.user_id)
    return Response(status_code=204)


@routes.post("/approve", responses=refuses(Forbidden, Conflict))
async def approve(
    here: Here, business_id: UUID, admin: Admin, *, body: Annotated[Seen | None, Body()] = None
) -> VerificationShown:
    """The papers are good (admin)."""
    seen_id = None if body is None else body.verification_id
    return _shown(*await verification.approve(here, business_id, admin.user_id, seen_id=seen_id))


@routes.post("/reject", responses=refuses(Forbidden, Conflict))
async def reject(here: Here, business_id: UUID, body: Why, admin: Admin) -> VerificationShown:
    """The papers are not taken (admin)."""
    found = await verification.reject(
        here, business_id, admin.user_id, reason=body.reason, seen_id=body.verification_id
    )
    return _shown(*found)


@routes.post("/revoke", responses=refuses(Forbidden, Conflict))
async def revoke(here: Here, business_id: UUID, body: Why, admin: Admin) -> VerificationShown:
    """Take a verification back (admin)."""
    found = await verification.revoke(
        here, business_id, admin.user_id, reason=body.reason, seen_id=body.verification_id
    )
    return _shown(*found)


def _columns(found: Verification, steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "id": found.id,
        "business_id": found.business_id,
        "status": found.status,
        "file_ids": list(found.documents),
        "reason": found.reason,
        "created_at": found.created_at,
        "decided_at": found.decided_at,
        "expires_at": found.expires_at,
        "history": [
            StepShown(at=one.at, what=one.what, actor_id=one.actor_id, reason=one.reason) for one in steps
        ],
    }


def _shown(found: Verification, steps: Sequence[Step]) -> VerificationShown:
    return VerificationShown(**_columns(found, steps))


def _json(found: Verification, steps: Sequence[Step]) -> dict[str, Any]:
    return json_of(_shown(found, steps))


def _paper(file: FileFacts) -> PaperShown:
    return PaperShown(**{name: getattr(file, name) for name in PaperShown.model_fields})
