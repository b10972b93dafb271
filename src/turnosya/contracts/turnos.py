"""What turnos answers and tells: appointments, and what may change without stranding one."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from turnosya.contracts.business import Business, OnConflict, Price
from turnosya.contracts.users import Forgotten, Held
from turnosya.runtime.messages import Event, Kind, Message, Nothing, Rpc, Say, ServiceError

CANCEL_TURNO = ("turnos.cancel", "/v1/turnos/answers/cancel")
"""The link in a reminder with which its client cancels the turno, for its id."""
COMING = ("turnos.coming", "/v1/turnos/answers/coming")
"""The link in a reminder with which its client says that they come, for the turno's id."""


class Appointment(Message):
    """A turno as others need to know it, with what a message about it says."""

    id: UUID
    version: int
    status: str
    business_id: UUID
    business_name: str
    business_timezone: str
    address_line: str | None
    owner_id: UUID
    service_id: UUID
    service_name: str
    staff_id: UUID
    staff_name: str
    staff_user_id: UUID | None
    client_id: UUID | None
    """None when the owner set it for somebody without an account."""
    client_name: str | None
    client_phone: str | None
    starts_at: datetime
    ends_at: datetime
    price: Price | None


class AffectedAppointment(Message):
    """One that a change would strand."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    staff_id: UUID
    client_id: UUID | None
    status: str


class NeedsDecision(ServiceError):
    """The change would strand future appointments and does not say what becomes of them (rule R11)."""

    kind = Kind.CONFLICT
    says = Say(
        "El cambio deja turnos sin lugar: elegí qué hacer con ellos.",
        "The change would strand appointments: say what becomes of them.",
        "A mudança deixa agendamentos sem lugar: diga o que fazer com eles.",
    )
    appointments: list[AffectedAppointment]


class ApplyBusiness(Rpc[Nothing]):
    """Takes over what the business wants to become, if nobody is stranded by it.

    Checks for stranded appointments and applies the new state to turnos' copy in one transaction.
    Safe to repeat with the same ``business.version``; taken back 10 s later if business does not
    know that version.
    """

    errors = (NeedsDecision,)

    business: Business
    on_conflict: OnConflict | None
    actor_id: UUID


class FollowBusiness(Rpc[Nothing]):
    """Goes by what business has changed, in a way that strands nobody, before its owner is answered.

    What is offered right after is then what they made it. Nothing depends on it: with turnos away, or
    late, the event tells the same. Safe to repeat; an older version than the known one changes nothing.
    """

    business: Business


class Visits(Message):
    """How many appointments were completed."""

    completed: int


class GetVisits(Rpc[Visits]):
    """How often this client completed an appointment here: business asks before a rating."""

    client_id: UUID
    business_id: UUID


class OpenNow(Message):
    """Those of the asked businesses that are open."""

    business_ids: list[UUID]


class GetOpenNow(Rpc[OpenNow]):
    """Which of these, at most 50, are open at this moment: somebody attends, and nothing is closed."""

    business_ids: list[UUID]


class FreeOn(Message):
    """Those of the asked businesses that have a time left."""

    business_ids: list[UUID]


class GetFreeOn(Rpc[FreeOn]):
    """Which of these, at most 50, have a time on a date that a client may book, for any of their services?"""

    business_ids: list[UUID]
    day: date
    """Of each business's own calendar."""


class OpenHours(Message):
    """Hours of a weekday (1 = Monday), ``HH:MM``; an earlier end is past midnight, ``24:00`` may be."""

    weekday: int
    start: str
    end: str


class NextTimes(Message):
    """The next starts of a service that a client may book, with the business's offset."""

    service_id: UUID
    starts_at: list[datetime]


class Opening(Message):
    """When somebody attends in a business, whoever it is."""

    timezone: str
    open_now: bool
    closes_at: datetime | None
    """If it is open: until when without a break."""
    opens_at: datetime | None
    """When it opens next, within two weeks."""
    weekly: list[OpenHours]
    """By weekday and time; hours that touch are one."""
    next_times: list[NextTimes]
    """Of each service on offer, where any were asked for."""


class GetOpening(Rpc[Opening]):
    """When is this business open, and what can be booked next? ``NotFound`` if it takes no clients."""

    business_id: UUID
    times: int = 0
    """How many starts of each service, at most ten."""


class Card(Message):
    """A turno as it stands now, for those who talk about it."""

    appointment_id: UUID
    status: str
    service_name: str
    staff_name: str
    starts_at: datetime
    ends_at: datetime


class Cards(Message):
    """Those that there are, in no order."""

    cards: list[Card]


class GetCards(Rpc[Cards]):
    """How do these turnos, at most 50, of one client with one business stand? Others are left out."""

    business_id: UUID
    client_id: UUID
    appointment_ids: list[UUID]


class ExpirePending(Rpc[Nothing]):
    """A request that nobody confirmed in time lapses (rule R16); nothing if it is no longer pending."""

    appointment_id: UUID


class CompleteOver(Rpc[Nothing]):
    """What was confirmed and ended an hour ago is completed, unless the business said otherwise."""


class FollowZoneRules(Rpc[Nothing]):
    """Turnos of the businesses after this one keep their wall time where the rules of a zone have changed.

    Looks at some businesses and asks for the rest; a second time nothing changes.
    """

    after: UUID | None = None


class ExpireOffer(Rpc[Nothing]):
    """An offer that nobody answered in time frees its time (rule R17); nothing if it is no longer open."""

    proposal_id: UUID


class BeginSecondRound(Rpc[Nothing]):
    """Who still waits in a closure is planned for once more, if nobody has an offer open; else nothing."""

    closure_id: UUID


class Answered(Message):
    """What came of an answer by message."""

    done: bool
    code: str | None = None
    """Why not: the code of the refusal."""


class AnswerLink(Rpc[Answered]):
    """Does what the link with this token does, for somebody who answered in words. Safe to repeat."""

    purpose: str
    """``accept``, ``decline``, ``cancel`` or ``coming``."""
    token: str


class AnswerLinks(Message):
    """Addresses that answer an offer with one tap: to look at one changes nothing, a POST to it does."""

    accept: str | None = None
    decline: str | None = None
    choose: str | None = None


class AppointmentBooked(Event):
    """A turno is confirmed from the start."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    actor_id: UUID
    in_series: bool = False
    """One of several that were booked as one order: people read of it in ``SeriesBooked``."""


class AppointmentRequested(Event):
    """A client asked for a turno that the business has yet to confirm."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    actor_id: UUID
    expires_at: datetime
    in_series: bool = False
    """As in ``AppointmentBooked``."""


class SeriesBooked(Event):
    """Turnos at the same wall time every so many weeks; of each there is an event of its own besides."""

    aggregate: ClassVar[str] = "series_id"

    series_id: UUID
    appointments: list[Appointment]
    """By their time; pending ones have yet to be confirmed, each by itself."""
    actor_id: UUID


class AppointmentConfirmed(Event):
    """The business confirmed a request."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    actor_id: UUID


class AppointmentMoved(Event):
    """A turno got another time or another member; the old time is free."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    previous_starts_at: datetime
    previous_staff_id: UUID
    actor_id: UUID
    links: AnswerLinks | None = None
    """Where its client may choose another time, if the business moved it by itself."""
    together: bool = False
    """One of several that went elsewhere at once: the business reads of it in ``AgendaRearranged``."""


class Relocation(Message):
    """A turno with its new time and member, and those it had."""

    appointment: Appointment
    previous_starts_at: datetime
    previous_staff_name: str


class AgendaRearranged(Event):
    """The business moved several turnos at once; of each there is an ``AppointmentMoved`` besides."""

    aggregate: ClassVar[str] = "business_id"

    business_id: UUID
    owner_id: UUID
    moves: list[Relocation]
    """By their time."""
    actor_id: UUID
    reason: str | None


class AppointmentCancelled(Event):
    """A turno was cancelled, or a request declined."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    actor_id: UUID
    reason: str | None
    suspended: bool = False
    """Because an admin took the business off: its owner reads of that in ``BusinessSuspended``."""


class AppointmentExpired(Event):
    """A request lapsed: nobody confirmed it in time."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment


class AppointmentCompleted(Event):
    """The client came."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    actor_id: UUID
    """Who said so; the owner, when it was ``by_itself``."""
    by_itself: bool = False
    """An hour after the end, and nobody has said anything else."""


class AppointmentAnchored(Event):
    """The rules of a zone have changed, and the same wall time is another instant. No news for anybody."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment


class AppointmentMissed(Event):
    """The client did not come."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    actor_id: UUID


class GetHeld(Rpc[Held]):
    """What does turnos hold about this person? Their turnos as a client, their deeds in others'."""

    user_id: UUID


class PersonForgotten(Forgotten):
    """An erased person is gone from turnos: their appointments are nobody's."""


class AppointmentProposed(Event):
    """The business closes at that time and holds another one for the client until ``expires_at``."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    """As it was; it stays the client's until they have answered."""
    proposal_id: UUID
    starts_at: datetime
    staff_name: str
    expires_at: datetime
    reason: str | None
    links: AnswerLinks


class OffersWanted(Event):
    """A change of hours or members has left turnos without a time; turnos itself plans and offers others."""

    aggregate: ClassVar[str] = "closure_id"

    business_id: UUID
    closure_id: UUID


class AppointmentUnplaced(Event):
    """The business closes at that time and there is no other; the client waits for one, or chooses."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    expires_at: datetime
    """Until when they may choose; then it is cancelled."""
    reason: str | None
    links: AnswerLinks


class ProposalDeclined(Event):
    """The client would rather have another time than the one that was offered."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    expires_at: datetime
    links: AnswerLinks


class ProposalExpired(Event):
    """Nobody answered an offer in time; its time is free."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    expires_at: datetime
    links: AnswerLinks


class AppointmentRestored(Event):
    """The business opens again at that time: the turno stands as before."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    actor_id: UUID


class WaitlistOffered(Event):
    """A time has become free and is held for somebody who waited."""

    aggregate: ClassVar[str] = "appointment.id"

    appointment: Appointment
    """What it would be."""
    expires_at: datetime
    links: AnswerLinks
