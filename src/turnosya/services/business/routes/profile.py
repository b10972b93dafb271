"""Businesses as such."""

from dataclasses import asdict
from math import isfinite, nan
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import AfterValidator, Field

from turnosya.contracts.turnos import NeedsDecision
from turnosya.runtime import mail
from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.fields import CalendarDate, Closed, Instant, Resource
from turnosya.runtime.http import MaybeSignedIn, OnceOnly, SignedIn, json_of, kept_response, router
from turnosya.runtime.messages import Conflict, Forbidden, invalid
from turnosya.runtime.pages import Listed, Page, Paged, after_id, bad_cursor
from turnosya.runtime.problems import Language, refuses
from turnosya.services.business import categories, finding, profile, values
from turnosya.services.business.context import Businesses
from turnosya.services.business.finding import When
from turnosya.services.business.refusals import NO_PLACE, BusinessHasAppointments
from turnosya.services.business.routes.forms import (
    Change,
    Currency,
    Description,
    Here,
    Name,
    at_home,
)
from turnosya.services.business.routes.pictures import ImageShown
from turnosya.services.business.routes.pictures import shown as image_shown
from turnosya.services.business.state import DEFAULT_CURRENCY, Address, BusinessState, Location, Profile
from turnosya.services.business.store.search import TIERS, Found, Place, Sort, Wanted

routes = router("/v1/businesses", tags=["businesses"])

Line = Annotated[str, Field(max_length=200), AfterValidator(values.one_line)]
Category = Annotated[str, Field(max_length=50), AfterValidator(values.one_line)]
Zone = Annotated[str, Field(max_length=100), AfterValidator(values.zone_name)]
Country = Annotated[str, Field(max_length=2), AfterValidator(values.country_code)]
Phone = Annotated[str, Field(max_length=32), AfterValidator(values.business_phone)]
Email = Annotated[str, Field(max_length=254), AfterValidator(mail.canonical)]
Website = Annotated[str, Field(max_length=500), AfterValidator(values.web_address)]
Payment = Annotated[str, AfterValidator(values.payment)]
Payments = Annotated[list[Payment], Field(max_length=30)]
Words = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


def _near(near: Annotated[str | None, Query(max_length=60)] = None) -> Location | None:
    if near is None:
        return None
    parts = near.split(",")
    try:
        lat, lon = (float(part) for part in parts)
    except ValueError:
        lat = lon = float("nan")
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):  # noqa: PLR2004 - degrees
        raise invalid("near", "near", NO_PLACE)
    return Location(lat, lon)


Near = Annotated[Location | None, Depends(_near)]


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


class SuspensionShown(Resource):
    """Since when a business is taken off, and why."""

    at: Instant
    reason: str


class BusinessShown(Resource):
    """The profile that everybody may see."""

    id: UUID
    slug: str
    """Its page is `/b/{slug}`."""
    owner_id: UUID
    name: str
    timezone: str
    description: str | None
    category: str | None
    category_names: dict[Language, str] | None
    """By language, of one of the usual kinds; null for any other."""
    address: AddressShown | None
    location: LocationShown | None
    phone: str | None
    email: str | None
    website: str | None
    accepted_payments: list[str] | None
    currency: str
    rating: Rating
    rating_distribution: dict[str, int]
    """How many gave one star, two stars … five."""
    verified: bool
    profile_image: ImageShown | None
    """Beside its name."""
    portrait_image: ImageShown | None
    """Across the top of its page."""
    distance_m: int | None
    """Metres from ``near``; null where nobody asked."""
    created_at: Instant
    suspension: SuspensionShown | None
    """That an admin has taken it off; nobody but the owner and admins sees it then."""


@routes.post("", status_code=201, response_model=BusinessShown)
async def open_business(here: Here, body: NewBusiness, caller: SignedIn, once: OnceOnly) -> Response:
    """Open a business; its owner is the first member of its staff."""
    said = Profile(**_columns({name: getattr(body, name) for name in NewBusiness.model_fields}))
    kept = await profile.open_business(
        here, caller.user_id, said, once=once, shown=lambda state: json_of(shown(here, state))
    )
    return kept_response(kept)


@routes.get("")
async def search(
    here: Here,
    *,
    _caller: MaybeSignedIn,
    page: Paged,
    q: Words = "",
    category: Words | None = None,
    near: Near,
    radius_km: Annotated[float | None, Query(gt=0, le=20_100, allow_inf_nan=False)] = None,
    min_rating: Annotated[float | None, Query(ge=1, le=5, allow_inf_nan=False)] = None,
    verified: bool = False,
    open_now: bool = False,
    free_on: CalendarDate | None = None,
    sort: Sort | None = None,
) -> Listed[BusinessShown]:
    """Find businesses by words, category, place, rating, verification and hours.

    Accents and small typing errors do not matter. `near` is `lat,lon`; with it, answers say how far it is.
    A page of those that are open now, or have a time free on a date, may be short and still go on.
    """
    wanted = Wanted(
        words=q.strip(),
        category=category,
        near=near,
        radius_m=None if radius_km is None else radius_km * 1000,
        min_rating=min_rating,
        verified_at=here.clock.now() if verified else None,
        sort=sort,
    )
    when = When(open_now, free_on)
    answer = await finding.search(here, wanted, when, after=_place(page), limit=page.read)
    items = [shown(here, one.state) for one in answer.found]
    if answer.cut_after is not None:
        return page.so_far(items, last=_sort_values(answer.cut_after))
    by_id = {one.state.id: one for one in answer.found}
    return page.of(items, sort_values=lambda one: _sort_values(by_id[one.id]))


def _sort_values(one: Found) -> list[object]:
    return [one.place.tier, repr(one.place.rank), one.place.id]


def _place(page: Page) -> Place | None:
    bad_cursor(page, len(Place._fields))
    if page.after is None:
        return None
    tier, rank, last = page.after
    try:
        place = Place(int(tier), float(rank), UUID(last))
    except ValueError:
        place = Place(0, nan, UUID(int=0))
    if not (0 <= place.tier < TIERS and isfinite(place.rank)):
        raise wrong_field("cursor", "cursor")
    return place


class CategoryShown(Resource):
    """A usual kind of business; any of its names finds all of it."""

    key: str
    names: dict[Language, str]


@routes.get("/categories")
async def listed_categories(_caller: MaybeSignedIn) -> Listed[CategoryShown]:
    """The usual kinds of business, by key, with their names in three languages."""
    found = [CategoryShown(key=key, names=_names(key)) for key in sorted(categories.CATEGORIES)]
    return Listed(items=found, next_cursor=None)


def _names(key: str) -> dict[Language, str]:
    names = categories.CATEGORIES[key]
    return {"es": names.es, "en": names.en, "pt": names.pt}


@routes.get("/mine")
async def mine(here: Here, caller: SignedIn, page: Paged) -> Listed[BusinessShown]:
    """The caller's own businesses."""
    found = await profile.owned_by(here, caller.user_id, after=after_id(page), limit=page.read)
    return page.of([shown(here, one) for one in found], sort_values=lambda one: [one.id])


@routes.get("/{business_id}")
async def read(here: Here, business_id: UUID, caller: MaybeSignedIn) -> BusinessShown:
    """One business."""
    return shown(here, await profile.read(here, business_id, caller))


@routes.patch("/{business_id}", responses=refuses(Forbidden, Conflict, NeedsDecision))
async def change(here: Here, business_id: UUID, body: BusinessChange, caller: SignedIn) -> BusinessShown:
    """Change the profile (owner)."""
    changed = await profile.change(
        here, business_id, caller.user_id, _columns(body.sent()), on_conflict=body.on_conflict
    )
    return shown(here, changed)


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


def shown(here: Businesses, state: BusinessState) -> BusinessShown:
    """The profile as an answer."""
    said = state.profile
    kind = None if said.category is None else categories.known(said.category)
    return BusinessShown(
        id=state.id,
        slug=state.slug,
        owner_id=state.owner_id,
        name=said.name,
        timezone=said.timezone,
        description=said.description,
        category=said.category,
        category_names=None if kind is None else _names(kind),
        address=None if said.address is None else AddressShown(**asdict(said.address)),
        location=None if said.location is None else LocationShown(**asdict(said.location)),
        phone=said.phone,
        email=said.email,
        website=said.website,
        accepted_payments=None if said.accepted_payments is None else list(said.accepted_payments),
        currency=said.currency,
        rating=Rating(average=state.average, count=sum(state.rating_counts)),
        rating_distribution={str(stars): times for stars, times in enumerate(state.rating_counts, 1)},
        distance_m=state.distance_m,
        verified=state.is_verified(here.clock.now()),
        profile_image=None if state.profile_image is None else image_shown(state.profile_image),
        portrait_image=None if state.portrait_image is None else image_shown(state.portrait_image),
        created_at=at_home(state.created_at, state),
        suspension=None
        if state.suspension is None
        else SuspensionShown(at=at_home(state.suspension.at, state), reason=state.suspension.reason),
    )
