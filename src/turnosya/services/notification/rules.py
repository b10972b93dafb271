"""Who is told of what, and how they are reached: decisions with no input or output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from turnosya.contracts.users import NotificationSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from turnosya.contracts.auth import Purpose
    from turnosya.contracts.turnos import Appointment
    from turnosya.contracts.users import Person, Reach

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
    "message_waiting": _BOTH,
    "business_suspended": ("owner",),
    "rating_invited": _CLIENT,
    "rating_removed": _CLIENT,
    "suspension_lifted": ("owner",),
    "verification_requested": ("owner",),
    "verification_approved": ("owner",),
    "verification_rejected": ("owner",),
    "verification_expiring": ("owner",),
    "verification_expired": ("owner",),
    "verification_revoked": ("owner",),
    "verification_ended_by_name": ("owner",),
    "alert_raised": ("person",),
    "alert_cleared": ("person",),
    "appointment_reminder": _CLIENT,
    "daily_agenda": ("owner",),
    "weekly_summary": ("owner",),
    # Answers to what somebody wrote to us.
    "opted_out": ("person",),
    "opted_in": ("person",),
    "answer_noted": ("person",),
    "answer_refused": ("person",),
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


def ways_of_news(
    contact: Contact, reach: Reach | None, *, shut: Collection[Way] = ()
) -> list[tuple[Way, ...]]:
    """How news reaches somebody: each of these by its first way, by the next where that fails.

    By push where they have a device and want it, else by WhatsApp, else by e-mail; who asked for important
    news on WhatsApp gets it there besides. ``shut`` are ways that may not be used. Never nothing while any
    way is open: who switched e-mail off still gets it there when nothing else is left.
    """
    settings = reach.settings if reach is not None else NotificationSettings()
    push: list[Way] = []
    if reach is not None and reach.devices and settings.push:
        push = [("push", str(reach.user_id))]
    direct = ways_of_account(contact, shut=shut)
    after = [way for way in direct if way[0] == "whatsapp" or settings.email]
    if not push:
        return [tuple(after or direct)] if direct else []
    chains = [(*push, *after)]
    if settings.whatsapp_important and after and after[0][0] == "whatsapp":
        chains.append(tuple(after))
    return chains


def ways_of_account(contact: Contact, *, shut: Collection[Way] = ()) -> list[Way]:
    """How somebody reads what is about the safety of their account: WhatsApp, then e-mail."""
    ways: list[Way] = []
    if contact.phone:
        ways.append(("whatsapp", contact.phone))
    if contact.email:
        ways.append(("email", contact.email))
    return [way for way in ways if way not in shut]


def ways_of_code(purpose: Purpose, channel: Literal["whatsapp", "email"], contact: Contact) -> list[Way]:
    """Where a code goes, and where after that.

    Only a log-in has a second way: there the password was right, and the account offers both. All other
    codes prove who holds a number, which a letter to an address would not.
    """
    other: Channel = "email" if channel == "whatsapp" else "whatsapp"
    addresses = {"whatsapp": contact.phone, "email": contact.email}
    wanted: list[Channel] = [channel, other] if purpose == "login" else [channel]
    return [(one, address) for one in wanted if (address := addresses[one])]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast messages may go: so many a second on average, and at most ``depth`` at one instant."""

    per_s: float
    depth: float

    def room(self, ahead_s: float) -> int:
        """How many may go now, when what has gone is so far ahead of the average."""
        return max(0, int(self.depth - ahead_s * self.per_s + _ROUNDING))

    def wait_s(self, ahead_s: float, wanted: float) -> float:
        """After how long ``wanted`` (``depth`` at most) may go."""
        return max(0.0, ahead_s - (self.depth - min(wanted, self.depth)) / self.per_s)


_ROUNDING = 1e-6
# Of what a provider allows in a second: the average, and what may go at once. Together less than all of it,
# so that no second has more; a twentieth is left for what the network bunches up (decision 0043).
_AVERAGE, _AT_ONCE = 0.85, 0.1


def pace_of(lane: str, most_per_s: float) -> Pace:
    """The pace of a lane on a channel that takes ``most_per_s``.

    News leaves half of what may go at once to codes, which come first in whatever there is.
    """
    share = _AT_ONCE if lane == "codes" else _AT_ONCE / 2
    return Pace(most_per_s * _AVERAGE, max(1.0, most_per_s * share))


# How long after a try the next one is made, seconds: a provider that stumbles is back in a moment, one that
# is down is not pressed. Codes are worth nothing later.
_CODE_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
_NEWS_DELAYS_S = (1.0, 10.0, 30.0, 120.0, 600.0, 1800.0)


def retry_delay_s(lane: str, attempts: int, *, asked_s: float | None = None) -> float | None:
    """After how many seconds a try that failed is repeated; None when it has been tried often enough."""
    delays = _CODE_DELAYS_S if lane == "codes" else _NEWS_DELAYS_S
    if attempts > len(delays):
        return None
    return max(delays[attempts - 1], asked_s or 0.0)


def may_hand_again(lane: str, attempts: int) -> bool:
    """Whether what a provider may or may not have got is handed to it again: a code once, nothing else."""
    return lane == "codes" and attempts < _CODE_HANDED_AT_MOST


_CODE_HANDED_AT_MOST = 2


# Whoever misses one of these stands before a closed door, loses a time that is held for them, or does not
# learn that somebody else is in their account. Reminders are not among them: never twice (decision 0041).
_MATTER = frozenset(
    {
        "signed_in",
        "sessions_ended",
        "phone_changed",
        "appointment_moved",
        "appointment_cancelled",
        "appointment_expired",
        "appointment_proposed",
        "appointment_unplaced",
        "waitlist_offered",
        "business_suspended",
    }
)


def matters(template: str) -> bool:
    """Whether news is rather read twice than never."""
    return template in _MATTER


def goes_on_unknown(lane: str, template: str) -> bool:
    """Whether the next channel is used although nobody knows if this one has it."""
    return lane == "codes" or matters(template)


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
