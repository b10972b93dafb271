"""The services of a business."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import Field

from turnosya.contracts.business import OnConflict, Price
from turnosya.contracts.turnos import NeedsDecision
from turnosya.runtime.fields import Closed, Flag, Instant, Integer, Resource
from turnosya.runtime.http import MaybeSignedIn, OnceOnly, SignedIn, json_of, kept_response, router
from turnosya.runtime.messages import Conflict, Forbidden
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.problems import refuses
from turnosya.services.business import offers, rules
from turnosya.services.business.routes.forms import (
    Change,
    Currency,
    Description,
    Here,
    Name,
    at_home,
)
from turnosya.services.business.state import BusinessState, Offer

routes = router("/v1/businesses/{business_id}/services", tags=["businesses"])

Duration = Annotated[Integer, Field(ge=1, le=1440)]
Buffer = Annotated[Integer, Field(ge=0, le=1440)]
Capacity = Annotated[Integer, Field(ge=1, le=1000)]
# Nobody at all could do a service with an empty list; null is everybody.
StaffIds = Annotated[list[UUID], Field(min_length=1, max_length=rules.MAX_STAFF)]

# What null means where there is always a value.
DEFAULTS = {"buffer_before_minutes": 0, "buffer_after_minutes": 0, "capacity": 1, "active": True}


class Money(Closed):
    """An amount in minor units: 1500000 ARS are 15,000 pesos."""

    amount: Annotated[Integer, Field(ge=0, le=10**12)]
    currency: Currency


class NewService(Closed):
    """A service that clients can book; without ``staff_ids`` every active member does it."""

    name: Name
    duration_minutes: Duration
    price: Money | None = None
    description: Description | None = None
    buffer_before_minutes: Buffer | None = None
    buffer_after_minutes: Buffer | None = None
    capacity: Capacity | None = None
    staff_ids: StaffIds | None = None
    active: Flag | None = None


class ServiceChange(Change):
    """What changes in a service; taking it from members or clients may need ``on_conflict``."""

    name: Name = ""
    duration_minutes: Duration = 0
    price: Money | None = None
    description: Description | None = None
    buffer_before_minutes: Buffer | None = None
    buffer_after_minutes: Buffer | None = None
    capacity: Capacity | None = None
    staff_ids: StaffIds | None = None
    active: Flag | None = None


class MoneyShown(Resource):
    """An amount in minor units."""

    amount: int
    currency: str


class ServiceShown(Resource):
    """A service of a business."""

    id: UUID
    name: str
    duration_minutes: int
    price: MoneyShown | None
    description: str | None
    buffer_before_minutes: int
    buffer_after_minutes: int
    capacity: int
    staff_ids: list[UUID] | None
    active: bool
    created_at: Instant


@routes.post("", status_code=201, response_model=ServiceShown, responses=refuses(Forbidden, Conflict))
async def add(
    here: Here, *, business_id: UUID, body: NewService, caller: SignedIn, once: OnceOnly
) -> Response:
    """Add a service (owner)."""
    columns = _columns({name: getattr(body, name) for name in NewService.model_fields})
    kept = await offers.add(here, business_id, caller.user_id, columns, once=once, shown=_json)
    return kept_response(kept)


@routes.get("")
async def listed(here: Here, business_id: UUID, page: Paged, caller: MaybeSignedIn) -> Listed[ServiceShown]:
    """What a business offers."""
    state, found = await offers.listed(here, business_id, caller, after=after_id(page), limit=page.read)
    return page.of([_shown(state, one) for one in found], sort_values=lambda one: [one.id])


@routes.get("/{service_id}")
async def read(here: Here, business_id: UUID, service_id: UUID, caller: MaybeSignedIn) -> ServiceShown:
    """One service."""
    return _shown(*await offers.read(here, business_id, service_id, caller))


@routes.patch("/{service_id}", responses=refuses(Forbidden, Conflict, NeedsDecision))
async def change(
    here: Here, *, business_id: UUID, service_id: UUID, body: ServiceChange, caller: SignedIn
) -> ServiceShown:
    """Change a service (owner)."""
    columns, on_conflict = _columns(body.sent()), body.on_conflict
    changed = await offers.change(
        here, business_id, service_id, caller.user_id, values=columns, on_conflict=on_conflict
    )
    return _shown(*changed)


@routes.delete(
    "/{service_id}",
    status_code=204,
    response_class=Response,
    responses=refuses(Forbidden, Conflict, NeedsDecision),
)
async def remove(
    here: Here,
    *,
    business_id: UUID,
    service_id: UUID,
    caller: SignedIn,
    on_conflict: OnConflict | None = None,
) -> Response:
    """Take a service away (owner)."""
    await offers.remove(here, business_id, service_id, caller.user_id, on_conflict=on_conflict)
    return Response(status_code=204)


def _columns(sent: dict[str, Any]) -> dict[str, Any]:
    """Fields of a body as an offer holds them."""
    held = {
        name: DEFAULTS[name] if value is None and name in DEFAULTS else value for name, value in sent.items()
    }
    if held.get("price") is not None:
        held["price"] = Price(**sent["price"].model_dump())
    if held.get("staff_ids") is not None:
        held["staff_ids"] = tuple(dict.fromkeys(sent["staff_ids"]))
    return held


def _shown(state: BusinessState, offer: Offer) -> ServiceShown:
    return ServiceShown(
        id=offer.id,
        name=offer.name,
        duration_minutes=offer.duration_minutes,
        price=None if offer.price is None else MoneyShown(**offer.price.model_dump()),
        description=offer.description,
        buffer_before_minutes=offer.buffer_before_minutes,
        buffer_after_minutes=offer.buffer_after_minutes,
        capacity=offer.capacity,
        staff_ids=None if offer.staff_ids is None else list(offer.staff_ids),
        active=offer.active,
        created_at=at_home(offer.created_at, state),
    )


def _json(state: BusinessState, offer: Offer) -> dict[str, Any]:
    return json_of(_shown(state, offer))
