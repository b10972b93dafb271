"""The staff of a business."""

from typing import Any
from uuid import UUID

from fastapi import Response

from turnosya.contracts.business import OnConflict
from turnosya.contracts.turnos import NeedsDecision
from turnosya.runtime.fields import Closed, Flag, Instant, Resource
from turnosya.runtime.http import MaybeSignedIn, OnceOnly, SignedIn, json_of, kept_response, router
from turnosya.runtime.messages import Conflict, Forbidden
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.problems import refuses
from turnosya.services.business import staff
from turnosya.services.business.routes.forms import Change, Here, Name, at_home
from turnosya.services.business.state import BusinessState, StaffMember

routes = router("/v1/businesses/{business_id}/staff", tags=["businesses"])


class NewMember(Closed):
    """Someone who attends; with ``user_id`` they see the agenda with their own account."""

    name: Name
    user_id: UUID | None = None
    active: Flag | None = None


class MemberChange(Change):
    """What changes of a member; one who no longer attends may need ``on_conflict``."""

    name: Name = ""
    user_id: UUID | None = None
    active: Flag | None = None


class MemberShown(Resource):
    """Someone who attends."""

    id: UUID
    name: str
    user_id: UUID | None
    active: bool
    created_at: Instant


@routes.post("", status_code=201, response_model=MemberShown, responses=refuses(Forbidden, Conflict))
async def add(
    here: Here, *, business_id: UUID, body: NewMember, caller: SignedIn, once: OnceOnly
) -> Response:
    """Add a member (owner)."""
    columns = _columns({name: getattr(body, name) for name in NewMember.model_fields})
    kept = await staff.add(here, business_id, caller.user_id, columns, once=once, shown=_json)
    return kept_response(kept)


@routes.get("")
async def listed(here: Here, business_id: UUID, page: Paged, caller: MaybeSignedIn) -> Listed[MemberShown]:
    """Who works there."""
    state, found = await staff.listed(here, business_id, caller, after=after_id(page), limit=page.read)
    return page.of([_shown(state, one) for one in found], sort_values=lambda one: [one.id])


@routes.get("/{staff_id}")
async def read(here: Here, business_id: UUID, staff_id: UUID, caller: MaybeSignedIn) -> MemberShown:
    """One member."""
    return _shown(*await staff.read(here, business_id, staff_id, caller))


@routes.patch("/{staff_id}", responses=refuses(Forbidden, Conflict, NeedsDecision))
async def change(
    here: Here, *, business_id: UUID, staff_id: UUID, body: MemberChange, caller: SignedIn
) -> MemberShown:
    """Change a member (owner)."""
    columns, on_conflict = _columns(body.sent()), body.on_conflict
    changed = await staff.change(
        here, business_id, staff_id, caller.user_id, values=columns, on_conflict=on_conflict
    )
    return _shown(*changed)


@routes.delete(
    "/{staff_id}",
    status_code=204,
    response_class=Response,
    responses=refuses(Forbidden, Conflict, NeedsDecision),
)
async def remove(
    here: Here, *, business_id: UUID, staff_id: UUID, caller: SignedIn, on_conflict: OnConflict | None = None
) -> Response:
    """Take a member away (owner)."""
    await staff.remove(here, business_id, staff_id, caller.user_id, on_conflict=on_conflict)
    return Response(status_code=204)


def _columns(sent: dict[str, Any]) -> dict[str, Any]:
    """Fields of a body as a member holds them."""
    return {name: True if name == "active" and value is None else value for name, value in sent.items()}


def _shown(state: BusinessState, member: StaffMember) -> MemberShown:
    return MemberShown(
        id=member.id,
        name=member.name,
        user_id=member.user_id,
        active=member.active,
        created_at=at_home(member.created_at, state),
    )


def _json(state: BusinessState, member: StaffMember) -> dict[str, Any]:
    return json_of(_shown(state, member))
