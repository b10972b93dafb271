"""What business answers and tells: who offers what, where, and who works there."""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from turnosya.contracts.users import Forgotten, Held, SecurityFact
from turnosya.runtime.messages import Event, Message, Nothing, Rpc, Say

NOT_OF_BUSINESS = Say("no es de este negocio", "is not one of this business", "não é deste negócio")
"""Beside a field that names a service, a member or an appointment of another one."""


class Price(Message):
    """Minor units of an ISO 4217 currency."""

    amount: int
    currency: str


class Offered(Message):
    """A service of a business, as booking needs it."""

    id: UUID
    name: str
    duration_minutes: int
    price: Price | None
    buffer_before_minutes: int
    buffer_after_minutes: int
    capacity: int
    staff_ids: list[UUID] | None
    """Who does it; None is every active member."""
    active: bool
    deleted: bool = False


class Member(Message):
    """Someone who attends."""

    id: UUID
    name: str
    user_id: UUID | None
    active: bool
    deleted: bool = False


class Business(Message):
    """A whole business as others keep it. A higher ``version`` replaces a lower one."""

    id: UUID
    version: int
    name: str
    owner_id: UUID
    timezone: str
    country: str | None
    """ISO 3166-1 alpha-2 of its address, if it has one."""
    currency: str
    address_line: str | None
    services: list[Offered]
    staff: list[Member]
    deleted: bool = False
    suspended: bool = False
    """An admin has taken it off: nobody finds it and nothing new is booked until that is lifted."""


class GetBusiness(Rpc[Business]):
    """The present state of one business; ``NotFound`` if there is none."""

    business_id: UUID


class BusinessChanged(Event):
    """A business was created or anything in it changed; carries the whole new state."""

    aggregate: ClassVar[str] = "business.id"

    business: Business


class BusinessSuspended(Event):
    """An admin has taken a business off; ``BusinessChanged`` besides carries its state."""

    aggregate: ClassVar[str] = "business_id"

    business_id: UUID
    business_name: str
    owner_id: UUID
    reason: str
    at: datetime


class SuspensionLifted(Event):
    """An admin lets a business be found and booked again."""

    aggregate: ClassVar[str] = "business_id"

    business_id: UUID
    business_name: str
    owner_id: UUID


class VerificationTold(Event):
    """Base of what an owner is told of the verification of their business."""

    aggregate: ClassVar[str] = "business_id"

    business_id: UUID
    business_name: str
    owner_id: UUID


class VerificationRequested(VerificationTold):
    """The owner has handed in papers; an admin will look at them."""


class VerificationApproved(VerificationTold):
    """The business is verified, until the end of a day where it is."""

    expires_on: date


class VerificationRejected(VerificationTold):
    """An admin does not take the papers."""

    reason: str


class VerificationExpiring(VerificationTold):
    """The verification ends soon, and nothing new was handed in."""

    expires_on: date


class VerificationExpired(VerificationTold):
    """The business is not verified any more: its time is over."""


class VerificationRevoked(VerificationTold):
    """An admin has taken the verification back."""

    reason: str


class VerificationEndedByName(VerificationTold):
    """The owner gave the business another name: papers that waited or held were for the former one."""

    former_name: str


class TendVerifications(Rpc[Nothing]):
    """Remind of verifications that end soon, and end those whose time is over."""


class InviteRating(Rpc[Nothing]):
    """The job an hour after a client came: ask them how it was, unless that is known; once for a business."""

    business_id: UUID
    client_id: UUID
    appointment_id: UUID


class RatingInvited(Event):
    """Somebody who was there is asked how it was."""

    aggregate: ClassVar[str] = "business_id"

    business_id: UUID
    business_name: str
    client_id: UUID
    appointment_id: UUID


class RatingRemoved(Event):
    """An admin has taken out what somebody said."""

    aggregate: ClassVar[str] = "business_id"

    business_id: UUID
    business_name: str
    client_id: UUID
    reason: str


class SecurityNoted(SecurityFact):
    """What an admin did to somebody's business."""


class GetHeld(Rpc[Held]):
    """What does business hold about this person? Businesses they own, and where they work."""

    user_id: UUID


class PersonForgotten(Forgotten):
    """An erased person is gone from business: their businesses are closed and they work nowhere."""


OnConflict = Literal["keep", "propose", "cancel"]
