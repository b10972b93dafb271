"""What people write back on WhatsApp: an answer, STOP, or words for the business."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid5

import structlog

from turnosya.contracts.notification import ReplyReceived, WordReceived
from turnosya.contracts.turnos import AnswerLink
from turnosya.contracts.users import FindByPhone, Person
from turnosya.services.notification import handing, rules, telling
from turnosya.services.notification.channels.outcome import mapping, mappings
from turnosya.services.notification.channels.whatsapp_numbers import phone_of
from turnosya.services.notification.context import NEWS
from turnosya.services.notification.store import addresses
from turnosya.services.notification.store import handing as handing_store
from turnosya.services.notification.store import words as store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Notification
    from turnosya.services.notification.store.deliveries import Delivery

log = structlog.get_logger()

Meaning = Literal["stop", "start", "first", "second", "words"]

_SPACE = UUID("6f2d4d0e-7f0b-4f0a-9b3e-3f1e5a4f9c11")
_YEAR_3000 = 32_503_680_000
_TEXT_MOST = 4_000
_WORDS: Mapping[Meaning, tuple[str, ...]] = {
    "stop": ("stop", "baja", "sair", "parar", "unsubscribe"),
    "start": ("start", "alta", "voltar"),
    "first": (
        *("1", "si", "sí", "sim", "yes", "ok", "confirmo", "voy", "vou", "confirmar", "confirm"),
        *("aceptar", "accept", "aceitar"),
    ),
    "second": ("2", "no", "não", "nao", "cancelar", "cancel", "rechazar", "decline", "recusar"),
}
_SAYS: Mapping[str, Meaning] = {word: meaning for meaning, words in _WORDS.items() for word in words}
_NUMBERS = frozenset({"1", "2"})
# What the first and the second answer of a message are: purpose, and the name of its link.
_ANSWERS: Mapping[str, tuple[str, str]] = {
    "appointment_reminder": ("coming", "cancel"),
    "appointment_proposed": ("accept", "decline"),
    "waitlist_offered": ("accept", "decline"),
}
# What stays with WhatsApp: the business reads that it was sent, and what was written under it.
_SIGNS: Mapping[str, str] = {
    "image": "📷",
    "video": "🎬",
    "audio": "🎤",
    "document": "📎",
    "sticker": "🙂",
    "location": "📍",
    "contacts": "👤",
}
# Of the last messages to somebody, the newest that asks is the one that is answered.
_LOOKED_THROUGH = 10


@dataclass(frozen=True, slots=True)
class Word:
    """One message of somebody's, as the provider brings it."""

    provider_id: str
    phone: str
    text: str
    answers: str | None
    sent_at: datetime


def meaning_of(text: str) -> Meaning:
    """What one word asks for; anything longer is for the business."""
    return _SAYS.get(re.sub(r"[\s.!¡,]+", " ", text).strip().casefold(), "words")


def words_in(values: Iterable[Mapping[str, Any]]) -> Iterator[Word]:
    """The messages in a call of the webhook; what is no text is said by a sign that says what it is."""
    for value in values:
        for message in mappings(value.get("messages")):
            word = _word(message)
            if word is not None:
                yield word


def _word(message: Mapping[str, Any]) -> Word | None:
    provider_id, sent_at = message.get("id"), instant_of(message.get("timestamp"))
    text = _text_of(message)
    try:
        phone = phone_of(str(message.get("from", "")))
    except ValueError:
        return None
    if not isinstance(provider_id, str) or sent_at is None or not text:
        return None
    answers = (mapping(message.get("context")) or {}).get("id")
    return Word(
        provider_id[:200],
        phone,
        text.replace("\0", "")[:_TEXT_MOST],
        answers[:200] if isinstance(answers, str) else None,
        sent_at,
    )


def _text_of(message: Mapping[str, Any]) -> str:
    button = mapping(message.get("button")) or {}
    reply = mapping((mapping(message.get("interactive")) or {}).get("button_reply")) or {}
    text = (mapping(message.get("text")) or {}).get("body")
    for found in (button.get("payload"), reply.get("id"), text):
        if isinstance(found, str) and found.strip():
            return found
    kind = str(message.get("type", ""))
    caption = (mapping(message.get(kind)) or {}).get("caption")
    return f"{_SIGNS[kind]} {caption if isinstance(caption, str) else ''}".strip() if kind in _SIGNS else ""


async def take(tx: Transaction, word: Word) -> None:
    """Stores a message, to be looked at after the provider was answered; the same again changes nothing."""
    if not await store.take(tx, word.provider_id):
        return
    await tx.publish(
        WordReceived(
            sender_key=uuid5(_SPACE, word.phone),
            message_key=uuid5(_SPACE, word.provider_id),
            phone=word.phone,
            text=word.text,
            answers=word.answers,
            sent_at=word.sent_at,
        )
    )


async def hear(notification: Notification, word: WordReceived) -> None:
    """Does what somebody asks for, or hands their words to the business they were last told of."""
    meaning = meaning_of(word.text)
    if meaning in ("stop", "start"):
        await _opt(notification, word, out=meaning == "stop")
        return
    person = await _person(notification, word.phone)
    async with notification.db.read() as tx:
        named = await store.answered(tx, word.answers, word.phone) if word.answers else None
        told = [named] if named is not None else await store.latest(tx, word.phone, limit=_LOOKED_THROUGH)
    if meaning in ("first", "second"):
        asked = answered_by(word, told)
        if asked is not None:
            await _answer(notification, word, asked, 0 if meaning == "first" else 1)
            return
    await _hand_on(notification, word, person, told)


def answered_by(word: WordReceived, told: Sequence[Delivery]) -> Delivery | None:
    """The message that is answered: by a number the newest that asks, by a word only the newest of all.

    Who says no to what they were asked in the conversation does not cancel a turno.
    """
    looked_at = told if word.text.strip() in _NUMBERS else told[:1]
    return next((one for one in looked_at if one.template in _ANSWERS), None)


async def _person(notification: Notification, phone: str) -> Person | None:
    found = (await notification.bus.call(FindByPhone(phone=phone))).people
    return found[0] if found else None


async def _opt(notification: Notification, word: WordReceived, *, out: bool) -> None:
    """No news by WhatsApp from now on, what waits included; or news again. Codes come either way."""
    person = await _person(notification, word.phone)
    contact = rules.contact_of(person) if person else rules.Contact(None, "", word.phone, None, "es")
    async with notification.db.transaction() as tx:
        if out:
            await addresses.shut_now(tx, "whatsapp", word.phone, reason="opted_out")
            for delivery in await handing_store.queued_to(tx, "whatsapp", word.phone):
                await handing.give_up(tx, delivery, "opted_out")
        else:
            await addresses.open_again(tx, "whatsapp", word.phone)
        template = "opted_out" if out else "opted_in"
        await telling.queue(tx, [_reply(word, template, contact)], {})
    notification.wake(NEWS)


def _reply(word: WordReceived, template: str, contact: rules.Contact) -> telling.Told:
    return telling.Told(
        occasion=str(word.message_key),
        template=template,
        reader="person",
        contact=contact,
        facts={"name": contact.name},
        only=("whatsapp", word.phone),
    )


async def _answer(notification: Notification, word: WordReceived, asking: Delivery, choice: int) -> None:
    """The same as opening the link of that choice, which is signed; then says that it was noted, or not."""
    purpose = _ANSWERS[asking.template][choice]
    token = _token(notification, asking, purpose)
    answered = None
    if token is not None:
        answered = await notification.bus.call(AnswerLink(purpose=purpose, token=token))
        log.info("answered_by_message", delivery_id=str(asking.id), purpose=purpose, done=answered.done)
    # What is cancelled, moved or declined is told by its own event, also when this is heard a second time.
    is_told = purpose != "coming" and answered is not None and answered.done
    is_repeated = answered is not None and answered.code == "appointment_not_active"
    async with notification.db.transaction() as tx:
        if not is_told and not is_repeated:
            contact = rules.Contact(asking.user_id, "", asking.phone, asking.email, asking.locale)
            noted = answered is not None and answered.done
            template = "answer_noted" if noted else "answer_refused"
            await telling.queue(tx, [_reply(word, template, contact)], {})
    notification.wake(NEWS)


def _token(notification: Notification, asking: Delivery, name: str) -> str | None:
    links = {
        one: notification.links.address(link.to, link.subject, expires_at=link.expires_at)
        for one, link in asking.links.items()
    }
    address = (links or mapping(asking.data.get("links")) or {}).get(name)
    if not isinstance(address, str):
        return None
    return next(iter(parse_qs(urlsplit(address).query).get("token", [])), None)


async def _hand_on(
    notification: Notification, word: WordReceived, person: Person | None, told: Iterable[Delivery]
) -> None:
    business = next((one.data["business_id"] for one in told if one.data.get("business_id")), None)
    if person is None or business is None:
        # Nobody we know, or nothing that they could mean.
        log.info("words_for_nobody", is_known=person is not None)
        return
    async with notification.db.transaction() as tx:
        await tx.publish(
            ReplyReceived(
                user_id=person.id,
                business_id=UUID(business),
                text=word.text,
                client_message_id=word.message_key,
                sent_at=word.sent_at,
            )
        )


def instant_of(timestamp: object) -> datetime | None:
    """Seconds since 1970, as the provider writes them: a text of digits."""
    if not isinstance(timestamp, str | int) or not str(timestamp).isdecimal():
        return None
    seconds = int(str(timestamp)[:15])
    return datetime.fromtimestamp(seconds, UTC) if seconds < _YEAR_3000 else None
