"""Businesses as such."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import AfterValidator, Field

from turnosya.contracts.turnos import NeedsDecision
from turnosya.runtime.fields import Closed, Instant, Resource
from turnosya.runtime.http import MaybeSignedIn, OnceOnly, SignedIn, json_of, kept_response, router
from turnosya.runtime.messages import Conflict, Forbidden
from turnosya.runtime.pages import Listed, Paged
from turnosya.runtime.problems import refuses
from turnosya.services.business import profile, values
from turnosya.services.business.refusals import BusinessHasAppointments
from turnosya.services.business.routes.forms import (
    Change,
    Currency,
    Description,
    Here,
    Name,
    after_id,
    at_home,
)
from turnosya.services.business.state import DEFAULT_CURRENCY, Address, BusinessState, Location, Profile

routes = router("/v1/businesses", tags=["businesses"])

Line = Annotated[str, Field(max_length=200), AfterValidator(values.one_line)]
Category = Annotated[str, Field(max_length=50), AfterValidator(values.one_line)]
Zone = Annotated[str, Field(max_length=100), AfterValidator(values.zone_name)]
Country = Annotated[str, Field(max_length=2), AfterValidator(values.country_code)]
Phone = Annotated[str, Field(max_length=32), AfterValidator(values.business_phone)]
Email = Annotated[str, Field(max_length=254), AfterValidator(values.email_address)]
Website = Annotated[str, Field(max_length=500), AfterValidator(values.web_address)]
Payment = Annotated[str, AfterValidator(values.payment)]
Payments = Annotated[list[Payment], Field(max_length=30)]
Words = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


class AddressForm(Closed):
    """Where it is; ``country`` is ISO 3166-1 alpha-2."""

    street: Line | None = None
    city: Line | None = None
    region: Line | None = None
    postal_code: Line | None = None
    country: Country | None = None


class LocationForm(Closed):
    """Degrees, WGS 84."""

    lat: Annotated[float, Field(strict=True, ge=-90, le=90)]
    lon: Annotated[float, Field(strict=True, ge=-180, le=180)]


class NewBusiness(Closed):
    """What a business says of itself when it opens."""

    name: Name
    timezone: Zone
    description: Description | None = None
    category: Category | None = None
    address: AddressForm | None = None
    location: LocationForm | None = None
    phone: Phone | None = None
    email: Email | None = None
    website: Website | None = None
    accepted_payments: Payments | None = None
    currency: Currency | None = None


class BusinessChange(Change):
    """What changes in the profile; a new ``timezone`` may need ``on_conflict``."""

    name: Name = ""
    timezone: Zone = ""
    description: Description | None = None
    category: Category | None = None
    address: AddressForm | None = None
    location: LocationForm | None = None
    phone: Phone | None = None
    email: Email | None = None
    website: Website | None = None
    accepted_payments: Payments | None = None
    currency: Currency | None = None


class Rating(Resource):
    """What clients thought; ``average`` is null while nobody has said."""

    average: float | None
    count: int


class AddressShown(Resource):
    """Where it is."""

    street: str | None
    city: str | None
    region: str | None
    postal_code: str | None
    country: str | None


class LocationShown(Resource):
    """Degrees, WGS 84."""

    lat: float
    lon: float


class BusinessShown(Resource):
    """The profile that everybody may see."""

    id: UUID
    owner_id: UUID
    name: str
    timezone: str
    description: str | None
    category: str | None
    address: AddressShown | None
    location: LocationShown | None
    phone: str | None
    email: str | None
    website: str | None
    accepted_payments: list[str] | None
    currency: str
    rating: Rating
    verified: bool
    created_at: Instant


@routes.post("", status_code=201, response_model=BusinessShown)
async def open_business(here: Here, body: NewBusiness, caller: SignedIn, once: OnceOnly) -> Response:
    """Open a business; its owner is the first member of its staff."""
    said = Profile(**_columns({name: getattr(body, name) for name in NewBusiness.model_fields}))
    kept = await profile.open_business(here, caller.user_id, said, once=once, shown=_json)
    return kept_response(kept)


@routes.get("")
async def search(
    here: Here, _caller: MaybeSignedIn, page: Paged, *, q: Words = "", category: Words | None = None
) -> Listed[BusinessShown]:
    """Find businesses by words and category."""
    found = await profile.search(here, q.strip(), category=category, after=after_id(page), limit=page.read)
    return page.of([_shown(one) for one in found], sort_values=lambda one: [one.id])


@routes.get("/mine")
async def mine(here: Here, caller: SignedIn, page: Paged) -> Listed[BusinessShown]:
    """The caller's own businesses."""
    found = await profile.owned_by(here, caller.user_id, after=after_id(page), limit=page.read)
    return page.of([_shown(one) for one in found], sort_values=lambda one: [one.id])


@routes.get("/{business_id}")
async def read(here: Here, business_id: UUID, _caller: MaybeSignedIn) -> BusinessShown:
    """One business."""
    return _shown(await profile.read(here, business_id))


@routes.patch("/{business_id}", responses=refuses(Forbidden, Conflict, NeedsDecision))
async def change(here: Here, business_id: UUID, body: BusinessChange, caller: SignedIn) -> BusinessShown:
    """Change the profile (owner)."""
    changed = await profile.change(
        here, business_id, caller.user_id, _columns(body.sent()), on_conflict=body.on_conflict
    )
    return _shown(changed)


@routes.delete(
    "/{business_id}",
    status_code=204,
    response_class=Response,
    responses=refuses(Forbidden, Conflict, BusinessHasAppointments),
)
async def close(here: Here, business_id: UUID, caller: SignedIn) -> Response:
    """Delete a business that has no future appointments (owner)."""
    await profile.close(here, business_id, caller.user_id)
    return Response(status_code=204)


def _columns(sent: dict[str, Any]) -> dict[str, Any]:
    """Fields of a body as the profile holds them."""
    held = dict(sent)
    if held.get("address") is not None:
        held["address"] = Address(**sent["address"].model_dump())
    if held.get("location") is not None:
        held["location"] = Location(**sent["location"].model_dump())
    if held.get("accepted_payments") is not None:
        held["accepted_payments"] = tuple(dict.fromkeys(sent["accepted_payments"]))
    if "currency" in held:
        held["currency"] = sent["currency"] or DEFAULT_CURRENCY
    return held


def _shown(state: BusinessState) -> BusinessShown:
    said = state.profile
    return BusinessShown(
        id=state.id,
        owner_id=state.owner_id,
        name=said.name,
        timezone=said.timezone,
        description=said.description,
        category=said.category,
        address=None if said.address is None else AddressShown(**asdict(said.address)),
        location=None if said.location is None else LocationShown(**asdict(said.location)),
        phone=said.phone,
        email=said.email,
        website=said.website,
        accepted_payments=None if said.accepted_payments is None else list(said.accepted_payments),
        currency=said.currency,
        rating=Rating(average=None, count=0),
        verified=False,
        created_at=at_home(state.created_at, state),
    )


def _json(state: BusinessState) -> dict[str, Any]:
    return json_of(_shown(state))
