"""The templates that the provider approves: few frames, into which our own words go as parameters.

What an event says is ours to change (``templates/``); a frame changes only with a new approval. Frames are
for news, for what asks something (with buttons), for reminders (with buttons), and for codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from turnosya.services.notification.channels.outcome import mapping, mappings

if TYPE_CHECKING:
    from turnosya.services.notification.channels.outcome import Outgoing
    from turnosya.services.notification.wording import Letter

# The provider's names of our languages.
LANGUAGES: Mapping[str, str] = {"es": "es_AR", "en": "en", "pt": "pt_BR"}
BODIES: Mapping[str, Mapping[str, str]] = {
    "news": {
        "es": "Novedad de TurnosYa: {{1}}.\n\n{{2}}\n\nPara no recibir más avisos, respondé BAJA.",
        "en": "News from TurnosYa: {{1}}.\n\n{{2}}\n\nTo get no more of these, answer STOP.",
        "pt": "Novidade do TurnosYa: {{1}}.\n\n{{2}}\n\nPara não receber mais avisos, responda SAIR.",
    },
    "question": {
        "es": "TurnosYa te pregunta: {{1}}.\n\n{{2}}\n\nRespondé con un botón, o con 1 o 2.",
        "en": "TurnosYa asks you: {{1}}.\n\n{{2}}\n\nAnswer with a button, or with 1 or 2.",
        "pt": "TurnosYa pergunta: {{1}}.\n\n{{2}}\n\nResponda com um botão, ou com 1 ou 2.",
    },
    "reminder": {
        "es": "Recordatorio de TurnosYa: {{1}}.\n\n{{2}}\n\nRespondé con un botón, o con 1 o 2.",
        "en": "Reminder from TurnosYa: {{1}}.\n\n{{2}}\n\nAnswer with a button, or with 1 or 2.",
        "pt": "Lembrete do TurnosYa: {{1}}.\n\n{{2}}\n\nResponda com um botão, ou com 1 ou 2.",
    },
}
BUTTONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "question": {"es": ("Aceptar", "Rechazar"), "en": ("Accept", "Decline"), "pt": ("Aceitar", "Recusar")},
    "reminder": {
        "es": ("Confirmar", "Cancelar"),
        "en": ("Confirm", "Cancel"),
        "pt": ("Confirmar", "Cancelar"),
    },
}
# What a pressed button brings back, whatever is written on it.
PAYLOADS = ("1", "2")
# The provider counts the frame and what fills it together.
_TEXT_MOST = 1024
# Names have up to 100 characters; what a line says besides is short.
_SUBJECT_MOST, _LINE_MOST = 200, 300
_LEFT_OUT = "…"
# Lives no longer than the code: an old one that arrives late only confuses.
CODE_TTL_S = 300


def frame_of(message: Outgoing) -> str:
    """Which frame carries a message."""
    if message.code is not None:
        return "code"
    if message.template == "appointment_reminder":
        return "reminder"
    links = mapping(message.data.get("links")) or {}
    return "question" if links.get("accept") else "news"


# Who has just written to us may be answered in free words.
_ANSWERS = frozenset({"opted_out", "opted_in", "answer_noted", "answer_refused"})


def content_of(message: Outgoing, *, prefix: str) -> dict[str, Any]:
    """The part of a request that says what is said."""
    if message.template in _ANSWERS:
        return {"type": "text", "text": {"preview_url": False, "body": message.letter.body}}
    frame = frame_of(message)
    if frame == "code":
        # The provider wants the code twice: in the text, and behind the button that copies it.
        components = [
            _body(message.code or ""),
            {
                "type": "button",
                "sub_type": "url",
                "index": "0",
                "parameters": [{"type": "text", "text": message.code}],
            },
        ]
    else:
        components = [_filling(BODIES[frame][message.locale], message.letter)]
        if frame in BUTTONS:
            components += [
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": str(index),
                    "parameters": [{"type": "payload", "payload": payload}],
                }
                for index, payload in enumerate(PAYLOADS)
            ]
    return {
        "type": "template",
        "template": {
            "name": f"{prefix}{frame}",
            "language": {"code": LANGUAGES[message.locale]},
            "components": components,
        },
    }


def _body(*texts: str) -> dict[str, Any]:
    return {"type": "body", "parameters": [{"type": "text", "text": text} for text in texts]}


def _filling(frame: str, letter: Letter) -> dict[str, Any]:
    subject = one_line(letter.subject, most=_SUBJECT_MOST)
    return _body(subject, one_line(letter.body, most=_TEXT_MOST - len(frame) - len(subject)))


def one_line(text: str, *, most: int) -> str:
    """A parameter has no line break, no tab, no four spaces in a row, an end, and ``most`` characters.

    What does not fit is left out where it is missed least: long lines lose their ends, then the last lines
    go. The first line stays, and a link is whole or not there: half of one leads nowhere.
    """
    lines = [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]
    if len(_joined(lines)) > most:
        lines = [line if _has_link(line) else _cut(line, _LINE_MOST) for line in lines]
    while len(_joined(lines)) > most:
        place = next((at for at in range(len(lines) - 1, 0, -1) if _may_go(lines[at])), None)
        if place is None:
            break
        lines[place : place + 1] = [] if _LEFT_OUT in lines else [_LEFT_OUT]
    while len(lines) > 1 and len(_joined(["", *lines[1:]])) >= most:
        lines.pop()
    rest = len(_joined(["", *lines[1:]]))
    return _joined([_cut(lines[0], most - rest), *lines[1:]]) if lines else "—"


def _joined(lines: Sequence[str]) -> str:
    return " · ".join(lines)


def _has_link(line: str) -> bool:
    return "http://" in line or "https://" in line


def _may_go(line: str) -> bool:
    return line != _LEFT_OUT and not _has_link(line)


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else line[: most - 1] + _LEFT_OUT


def differences(approved: Sequence[Mapping[str, Any]], *, prefix: str) -> list[str]:
    """What the provider has not approved, or approved in other words than ours."""
    known = {(one.get("name"), one.get("language")): one for one in approved}
    wrong: list[str] = []
    for frame in ("code", *BODIES):
        for locale, language in LANGUAGES.items():
            name = f"{prefix}{frame}"
            one = known.get((name, language))
            if one is None:
                wrong.append(f"template {name} ({language}) does not exist")
            elif one.get("status") != "APPROVED":
                wrong.append(f"template {name} ({language}) is {one.get('status')}")
            elif frame == "code":
                ttl = one.get("message_send_ttl_seconds")
                if not isinstance(ttl, int) or not 30 <= ttl <= CODE_TTL_S:  # noqa: PLR2004 - the provider's least
                    wrong.append(f"template {name} ({language}) must live 30 to {CODE_TTL_S} seconds")
            elif _text_of(one) != BODIES[frame][locale]:
                wrong.append(f"template {name} ({language}) says something else")
    return wrong


def _text_of(template: Mapping[str, Any]) -> str | None:
    for component in mappings(template.get("components")):
        if component.get("type") == "BODY":
            text = component.get("text")
            return text if isinstance(text, str) else None
    return None
