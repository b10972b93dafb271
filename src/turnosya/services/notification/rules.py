"""Who is told of what, and how they are reached: decisions with no input or output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from turnosya.contracts.auth import Purpose
    from turnosya.contracts.turnos import Appointment
    from turnosya.contracts.users import Person

Channel = Literal["whatsapp", "email", "push"]
Reader = Literal["client", "owner", "person"]
Way = tuple[Channel, str]
"""A channel and the address on it."""
Doer = Literal["you", "client", "business", "nobody"]

LOCALES = ("es", "en", "pt")

_BOTH: tuple[Reader, ...] = ("client", "owner")
# An owner who closes a day sees what becomes of it in one list, not in sixty messages.
_CLIENT: tuple[Reader, ...] = ("client",)
TEMPLATES: dict[str, tuple[Reader, ...]] = {
    "code_requested": ("person",),
    "signed_in": ("person",),
    "sessions_ended": ("person",),
    "user_registered": ("person",),
    "phone_changed": ("person",),
    "email_confirmation_requested": ("person",),
    "appointment_booked": _BOTH,
    "appointment_requested": _BOTH,
    "appointment_confirmed": _BOTH,
    "appointment_moved": _BOTH,
    "appointment_cancelled": _BOTH,
    "appointment_expired": _BOTH,
    "appointment_completed": _BOTH,
    "appointment_missed": _BOTH,
    "appointment_proposed": _CLIENT,
    "appointment_unplaced": _CLIENT,
    "proposal_declined": _CLIENT,
    "proposal_expired": _CLIENT,
    "appointment_restored": _CLIENT,
    "waitlist_offered": _CLIENT,
    "series_booked": _BOTH,
    "agenda_rearranged": ("owner",),
}
"""Every template and who reads it."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody a message is for; without ``user_id`` they have no account."""

    user_id: UUID | None
    name: str
    phone: str | None
    email: str | None
    locale: str

    @property
    def key(self) -> str:
        """What makes two messages be for the same person."""
        return str(self.user_id or self.phone or self.email)


def contact_of(person: Person) -> Contact:
    """How a person with an account is reached."""
    return Contact(person.id, person.name, person.phone, person.email, language(person.locale))


def language(locale: str) -> str:
    """The language of ours nearest to a locale (``pt-BR`` is ``pt``); Spanish for all others."""
    spoken = re.split(r"[-_]", locale.lower(), maxsplit=1)[0]
    return spoken if spoken in LOCALES else "es"


def route(contact: Contact) -> Way | None:
    """The channel and address that reach somebody: WhatsApp, else e-mail, else they cannot be told."""
    if contact.phone:
        return "whatsapp", contact.phone
    if contact.email:
        return "email", contact.email
    return None


def may_send_code(purpose: Purpose, *, known: bool) -> bool:
    """A new password is only for who has an account; the answer of auth gives neither away."""
    return known or purpose != "password_reset"


def codes_a_day(most: int, *, known: bool) -> int:
    """After how many codes of a day nobody like this gets another: strangers leave 30 % to those we know."""
    return most if known else most * 7 // 10


def has_expired(expires_at: datetime | None, *, real_now: datetime) -> bool:
    """Whether a message is of no use any more. Codes live on real time."""
    return expires_at is not None and expires_at <= real_now


def told_of(appointment: Appointment, people: Sequence[Person]) -> list[tuple[Reader, Contact]]:
    """Both sides of a turno, as far as they can be told.

    A client without an account is written to in the owner's language. An owner who is the client
    reads the client's message only.
    """
    by_id = {person.id: person for person in people}
    owner = by_id.get(appointment.owner_id)
    readers: list[tuple[Reader, Contact]] = []
    if appointment.client_id is not None:
        client = by_id.get(appointment.client_id)
        if client is not None:
            readers.append(("client", contact_of(client)))
    elif appointment.client_phone is not None:
        locale = language(owner.locale if owner else "es")
        name = appointment.client_name or ""
        readers.append(("client", Contact(None, name, appointment.client_phone, None, locale)))
    if owner is not None and owner.id != appointment.client_id:
        readers.append(("owner", contact_of(owner)))
    return readers


def name_of_client(appointment: Appointment, people: Sequence[Person]) -> str:
    """The client as the owner knows them."""
    account = next((person.name for person in people if person.id == appointment.client_id), None)
    return appointment.client_name or account or "—"


def doer(reader: Reader, actor_id: UUID | None, appointment: Appointment) -> Doer:
    """Who did it, as the reader sees it; ``business`` is anybody on its side."""
    if actor_id is None:
        return "nobody"
    reader_id = appointment.client_id if reader == "client" else appointment.owner_id
    if actor_id == reader_id:
        return "you"
    return "client" if actor_id == appointment.client_id else "business"


def template_of(event_name: str) -> str:
    """The template of an event is its class name in snake case: ``appointment_booked``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_name).lower()
