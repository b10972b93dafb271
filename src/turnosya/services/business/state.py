"""A business as a whole: its profile, what it offers and who works there, at one version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from turnosya.contracts import business as contract
from turnosya.contracts.business import Price
from turnosya.runtime.identity import Caller
from turnosya.runtime.messages import NotFound
from turnosya.services.business.pictures_state import Picture
from turnosya.services.business.ratings_state import average

DEFAULT_CURRENCY = "ARS"


@dataclass(frozen=True, slots=True)
class Address:
    """Where it is, as it is written on a letter; ``country`` is ISO 3166-1 alpha-2."""

    street: str | None
    city: str | None
    region: str | None
    postal_code: str | None
    country: str | None

    @property
    def line(self) -> str | None:
        """Street, city and region in one line, for messages."""
        return ", ".join(part for part in (self.street, self.city, self.region) if part) or None


@dataclass(frozen=True, slots=True)
class Location:
    """Degrees, WGS 84."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Profile:
    """What the owner says of the business."""

    name: str
    timezone: str
    description: str | None = None
    category: str | None = None
    address: Address | None = None
    location: Location | None = None
    phone: str | None = None
    email: str | None = None
    website: str | None = None
    accepted_payments: tuple[str, ...] | None = None
    currency: str = DEFAULT_CURRENCY


@dataclass(frozen=True, slots=True)
class Offer:
    """One service that clients can book. ``staff_ids`` None: every active member does it."""

    id: UUID
    created_at: datetime
    name: str
    duration_minutes: int
    price: Price | None = None
    description: str | None = None
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    capacity: int = 1
    staff_ids: tuple[UUID, ...] | None = None
    active: bool = True
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Someone who attends, with an account of their own or without."""

    id: UUID
    created_at: datetime
    name: str
    user_id: UUID | None = None
    active: bool = True
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Suspension:
    """That an admin has taken the business off: since when and why."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class BusinessState:
    """The whole business. Deleted offers and members stay in it, so that others learn of the deletion."""

    id: UUID
    version: int
    owner_id: UUID
    created_at: datetime
    profile: Profile
    offers: tuple[Offer, ...]
    staff: tuple[StaffMember, ...]
    deleted: bool = False
    suspension: Suspension | None = None
    slug: str = ""
    """The word by which its page is addressed; given when it is stored first."""
    rating_counts: tuple[int, ...] = (0, 0, 0, 0, 0)
    """How many gave one star, two stars … five. Not a part of what an owner changes."""
    verified_until: datetime | None = None
    """Its owner's papers were seen, and hold until then."""
    profile_image: Picture | None = None
    """Beside its name; like the next not a part of what goes to other services."""
    portrait_image: Picture | None = None
    """Across the top of its page."""
    distance_m: int | None = None
    """From where somebody looks for it; None if they did not say."""

    def shows_to(self, viewer: Caller | None) -> bool:
        """Whether somebody may see it at all: a suspended one is there for its owner and admins only."""
        if self.suspension is None:
            return True
        return viewer is not None and (viewer.is_admin or viewer.user_id == self.owner_id)

    def is_verified(self, now: datetime) -> bool:
        """Whether its owner's papers were seen and still hold."""
        return self.verified_until is not None and self.verified_until > now

    @property
    def average(self) -> float | None:
        """Stars on average, to two decimals; None while nobody has said."""
        exact = average(self.rating_counts)
        return None if exact is None else round(exact, 2)

    def offer(self, offer_id: UUID) -> Offer:
        """One service that is not deleted; NotFound."""
        for offer in self.offers:
            if offer.id == offer_id and not offer.deleted:
                return offer
        raise NotFound

    def member(self, member_id: UUID) -> StaffMember:
        """One member who is not deleted; NotFound."""
        for member in self.staff:
            if member.id == member_id and not member.deleted:
                return member
        raise NotFound

    def told(self) -> contract.Business:
        """As other services keep it."""
        profile = self.profile
        return contract.Business(
            id=self.id,
            version=self.version,
            name=profile.name,
            owner_id=self.owner_id,
            timezone=profile.timezone,
            country=profile.address.country if profile.address else None,
            currency=profile.currency,
            address_line=profile.address.line if profile.address else None,
            services=[_offered(offer) for offer in self.offers],
            staff=[_member(member) for member in self.staff],
            deleted=self.deleted,
            suspended=self.suspension is not None,
        )


def _offered(offer: Offer) -> contract.Offered:
    return contract.Offered(
        id=offer.id,
        name=offer.name,
        duration_minutes=offer.duration_minutes,
        price=offer.price,
        buffer_before_minutes=offer.buffer_before_minutes,
        buffer_after_minutes=offer.buffer_after_minutes,
        capacity=offer.capacity,
        staff_ids=None if offer.staff_ids is None else list(offer.staff_ids),
        active=offer.active,
        deleted=offer.deleted,
    )


def _member(member: StaffMember) -> contract.Member:
    return contract.Member(
        id=member.id,
        name=member.name,
        user_id=member.user_id,
        active=member.active,
        deleted=member.deleted,
    )
