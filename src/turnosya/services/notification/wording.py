"""What a message says: the templates, filled in the reader's language and the business's local time.

A template is a file for one event and one language, ``templates/es/appointment_booked.txt``. Its
blocks are named after the reader (``client``, ``owner``, ``person``), or after reader and channel
(``client_email``) where a channel wants other words. The first line of a block is the subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, get_currency_precision
from jinja2 import PackageLoader, StrictUndefined, Template, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from turnosya.services.notification.rules import LOCALES, Channel, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INSTANTS = ("when", "previous_when", "expires", "offered")
_DATE_PATTERNS = {
    "es": "EEEE d 'de' MMMM, HH:mm",
    "en": "EEEE, MMMM d, HH:mm",
    "pt": "EEEE, d 'de' MMMM, HH:mm",
}
# Amounts as they are written where the language is mostly read: $ for pesos in Argentina, R$ in Brazil.
_REGIONAL = {"es": "es_AR", "en": "en_US", "pt": "pt_BR"}


# Embeddings, overrides and isolates of writing direction (Unicode UAX 9): no name needs one to be read.
_STEERING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


class TemplatesWrong(Exception):
    """A template is missing or has not the blocks its event needs; says which."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What somebody reads."""

    subject: str
    body: str


# Sandboxed: names and notes of people are values here, and stay values even if a template is careless.
_templates = ImmutableSandboxedEnvironment(
    loader=PackageLoader("turnosya.services.notification", "templates"),
    # Plain text: the page that shows it writes text nodes only.
    autoescape=False,
    undefined=StrictUndefined,
    keep_trailing_newline=False,
)


def check_templates(wanted: Mapping[str, Iterable[Reader]]) -> None:
    """Raises ``TemplatesWrong`` unless every event has every reader's words in every language."""
    missing: list[str] = []
    for event, readers in wanted.items():
        for locale in LOCALES:
            try:
                blocks = _templates.get_template(f"{locale}/{event}.txt").blocks
            except TemplateNotFound:
                missing.append(f"{locale}/{event}.txt")
                continue
            missing += [f"{locale}/{event}.txt: block {reader}" for reader in readers if reader not in blocks]
    if missing:
        raise TemplatesWrong("Templates are missing: " + ", ".join(missing))


def write(
    template: str, reader: Reader, channel: Channel, *, locale: str, facts: Mapping[str, Any]
) -> Letter:
    """The letter about ``facts``; instants among them (ISO 8601) become local time of their ``timezone``."""
    found = _templates.get_template(f"{locale}/{template}.txt")
    words = _in_words(facts, facts.get("timezone", ""), locale)
    text = _rendered(found, f"{reader}_{channel}", reader, words)
    subject, _, body = text.strip().partition("\n")
    return Letter(subject.strip(), body.strip())


def _rendered(template: Template, special: str, plain: str, values: Mapping[str, Any]) -> str:
    block = template.blocks.get(special) or template.blocks[plain]
    return "".join(block(template.new_context(dict(values))))


def _in_words(facts: Mapping[str, Any], timezone: str, locale: str) -> dict[str, Any]:
    """The facts as a template says them, those of each of several ``turnos`` too."""
    words: dict[str, Any] = {
        name: _on_one_line(fact) if isinstance(fact, str) else fact for name, fact in facts.items()
    }
    for name in _INSTANTS:
        if name in facts:
            words[name] = local_time(datetime.fromisoformat(facts[name]), timezone, locale)
    if "until" in facts:
        words["until"] = format_date(date.fromisoformat(facts["until"]), "long", locale=_REGIONAL[locale])
    if "price" in facts:
        price = facts["price"]
        words["price"] = None if price is None else money(price["amount"], price["currency"], locale)
    if "turnos" in facts:
        words["turnos"] = [_in_words(one, timezone, locale) for one in facts["turnos"]]
    return words


def _on_one_line(fact: str) -> str:
    """Without line breaks, which would end a subject, and without what turns the rest of a line around."""
    return " ".join(fact.translate(_STEERING).split())


def local_time(instant: datetime, timezone: str, locale: str) -> str:
    """``lunes 14 de junio, 10:00``: an instant on the wall clock of ``timezone``."""
    return format_datetime(
        instant.astimezone(ZoneInfo(timezone)), _DATE_PATTERNS[locale], locale=_REGIONAL[locale]
    )


def money(amount: int, currency: str, locale: str) -> str:
    """``$ 15.000,00``: minor units as an amount of money."""
    places = get_currency_precision(currency)
    return format_currency(Decimal(amount).scaleb(-places), currency, locale=_REGIONAL[locale])
