"""Decisions of chat: what may be sent, how fast, what a line of the system says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from turnosya.services.chat.state import Line

MAX_CHARACTERS = 4000
MESSAGES_A_SECOND, BURST = 5.0, 20.0
TYPING_EVERY_S = 3.0
SYNC_PAGE = 200
# A socket is given up at 1 MiB that it has not read; 200 long messages in another script are 5 MB.
SYNC_BYTES = 256 * 1024
AWAY_AGAIN_AFTER_S = 4 * 3600.0
_CONVERSATIONS_TYPED_IN = 1000

_CARD = re.compile(r"\{([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})\}")
_LOCALES = {"es": "es_AR", "en": "en", "pt": "pt_BR"}
_SAID = {
    "booked": {
        "es": "Turno reservado: {service}, {when}",
        "en": "Appointment booked: {service}, {when}",
        "pt": "Agendamento marcado: {service}, {when}",
    },
    "confirmed": {
        "es": "Turno confirmado: {service}, {when}",
        "en": "Appointment confirmed: {service}, {when}",
        "pt": "Agendamento confirmado: {service}, {when}",
    },
    "moved": {
        "es": "Turno movido: {service}, ahora {when}",
        "en": "Appointment moved: {service}, now {when}",
        "pt": "Agendamento movido: {service}, agora {when}",
    },
    "cancelled": {
        "es": "Turno cancelado: {service}, {when}",
        "en": "Appointment cancelled: {service}, {when}",
        "pt": "Agendamento cancelado: {service}, {when}",
    },
}


@dataclass(slots=True)
class Allowance:
    """So many at once, and so many a second after that."""

    a_second: float
    burst: float
    left: float
    at_s: float

    def take(self, now_s: float) -> float | None:
        """None when there is one left; else the seconds until there is."""
        self.left = min(self.burst, self.left + (now_s - self.at_s) * self.a_second)
        self.at_s = now_s
        if self.left < 1:
            return (1 - self.left) / self.a_second
        self.left -= 1
        return None


class Typing:
    """Signals that somebody writes: one in 3 s and conversation, and one end for each that went on."""

    def __init__(self) -> None:
        self._shown_s: dict[UUID, float] = {}
        self._open: set[UUID] = set()

    def __len__(self) -> int:
        """In how many conversations somebody has written lately."""
        return len(self._shown_s)

    def goes_on(self, conversation_id: UUID, *, typing: bool, now_s: float) -> bool:
        """Whether this signal is shown to the others."""
        if not typing:
            was_open = conversation_id in self._open
            self._open.discard(conversation_id)
            return was_open
        if now_s - self._shown_s.get(conversation_id, -TYPING_EVERY_S) < TYPING_EVERY_S:
            return False
        if len(self._shown_s) > _CONVERSATIONS_TYPED_IN:
            self._shown_s.clear()
            self._open.clear()
        self._shown_s[conversation_id] = now_s
        self._open.add(conversation_id)
        return True


def fitting(lines: Sequence[Line]) -> int:
    """How many of these go into one answer; the first one always does."""
    size_bytes = 0
    for count, line in enumerate(lines):
        size_bytes += len(json.dumps([line.text, line.facts]))
        if count and size_bytes > SYNC_BYTES:
            return count
    return len(lines)


def turnos_named_in(text: str | None) -> list[UUID]:
    """The turnos whose cards stand under a message, ``{id}`` in its text; at most 5."""
    return list(dict.fromkeys(UUID(found) for found in _CARD.findall(text or "")))[:5]


def said_by_system(facts: Mapping[str, Any], language: str) -> str:
    """A line of the system in the reader's language, in the business's local time."""
    at = datetime.fromisoformat(facts["starts_at"]).astimezone(ZoneInfo(facts["timezone"]))
    when = format_datetime(at, "EEE d MMM, HH:mm", locale=_LOCALES[language])
    return _SAID[facts["what"]][language].format(service=facts["service_name"], when=when)
