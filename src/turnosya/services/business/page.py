"""The page about a business for people and search engines: what it says, made of all that is public."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import structlog
from babel.dates import format_datetime, get_day_names
from babel.numbers import format_currency, format_decimal, get_currency_precision
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from turnosya.contracts.files import path_of
from turnosya.contracts.turnos import GetOpening, Opening
from turnosya.runtime.messages import NotFound, Unavailable
from turnosya.runtime.problems import Language, said_in
from turnosya.services.business import categories, page_data
from turnosya.services.business.page_words import PAYMENTS, WORDS
from turnosya.services.business.pictures_state import Picture
from turnosya.services.business.ratings_state import Rating
from turnosya.services.business.state import BusinessState, Offer
from turnosya.services.business.store import businesses as store
from turnosya.services.business.store import pictures, ratings

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

log = structlog.get_logger()

_SLUG = re.compile(r"[a-z0-9-]{1,80}")
LANGUAGES: tuple[Language, ...] = ("es", "en", "pt")
# As they are written where the language is mostly read.
_LOCALES = {"es": "es_AR", "en": "en_US", "pt": "pt_BR"}
_NAMES = {"es": "Español", "en": "English", "pt": "Português"}
_TIMES, _RATINGS = 5, 5
MEDIUM = 1024
"""The longer side of a medium picture at most, in pixels."""
_SUMMARY_CHARACTERS = 200
# The page does not wait for times longer than a visitor does.
_TIMES_WITHIN_S = 2.0

_templates = Environment(
    loader=PackageLoader("turnosya.services.business", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is known of a business for its page; without ``opening`` turnos was away."""

    state: BusinessState
    opening: Opening | None
    ratings: Sequence[Rating]
    gallery: Sequence[Picture] = ()


async def page(here: Businesses, slug: str, language: Language) -> str:
    """The page as HTML; NotFound if there is no such business, or it is suspended."""
    if not _SLUG.fullmatch(slug):
        raise NotFound
    async with here.db.read() as tx:
        state = await store.find_by_slug(tx, slug)
        if state is None or not state.shows_to(None):
            raise NotFound
        latest = await ratings.listed(tx, state.id, after=None, limit=_RATINGS)
        gallery = await pictures.gallery(tx, state.id)
    return _written(here, Shown(state, await _opening(here, state), latest, gallery), language)


async def _opening(here: Businesses, state: BusinessState) -> Opening | None:
    try:
        return await here.bus.call(GetOpening(business_id=state.id, times=_TIMES), timeout_s=_TIMES_WITHIN_S)
    except Unavailable as error:
        # The rest of the page is worth reading without.
        log.info("page_without_times", business_id=str(state.id), why=error.code)
        return None


def _written(here: Businesses, shown: Shown, language: Language) -> str:
    said = shown.state.profile
    at = page_data.Addresses(f"{here.public_url}/b/{shown.state.slug}", here.public_url)
    address = at.page
    words = {name: said_in(say, language) for name, say in WORDS.items()}
    kind = None if said.category is None else categories.known(said.category)
    summary = " ".join((said.description or f"{words['book']} {said.name}").split())
    return _templates.get_template("business.html").render(
        language=language,
        locale=_LOCALES[language],
        words=words,
        business=said,
        verified=shown.state.is_verified(here.clock.now()),
        category=said.category if kind is None else said_in(categories.CATEGORIES[kind], language),
        address_line=None if said.address is None else said.address.line,
        summary=summary[:_SUMMARY_CHARACTERS],
        address=f"{address}?lang={language}",
        canonical=address,
        languages=[(one, _NAMES[one], f"{address}?lang={one}") for one in LANGUAGES],
        status=_status(shown.opening, language, words),
        week=_week(shown.opening, language),
        services=[_service(one, shown, language) for one in shown.state.offers if _is_offered(one)],
        times_known=shown.opening is not None,
        average=_average(shown.state, language),
        count=sum(shown.state.rating_counts),
        ratings=shown.ratings,
        payments=[said_in(PAYMENTS[one], language) for one in said.accepted_payments or ()],
        profile_image=_image(shown.state.profile_image),
        portrait_image=_image(shown.state.portrait_image),
        gallery=[_image(one) for one in shown.gallery],
        # The first is what messengers show beside the link.
        previews=[{**image, "medium": f"{here.public_url}{image['medium']}"} for image in _previews(shown)],
        linked_data=_script(page_data.local_business(shown.state, shown.opening, shown.gallery, at=at)),
    )


def _image(picture: Picture | None) -> Mapping[str, Any] | None:
    """Its addresses, and how large its ``medium`` is: what is not loaded yet has its room already."""
    if picture is None:
        return None
    width, height = picture.width or MEDIUM, picture.height or MEDIUM
    shrunk = min(1.0, MEDIUM / max(width, height))
    return {
        "thumb": path_of(picture.file_id, "thumb"),
        "medium": path_of(picture.file_id, "medium"),
        "width": max(1, round(width * shrunk)),
        "height": max(1, round(height * shrunk)),
        "caption": picture.caption,
    }


def _previews(shown: Shown) -> list[Mapping[str, Any]]:
    """The pictures that stand for the business, the one that says most first."""
    state = shown.state
    images = map(_image, (state.portrait_image, state.profile_image, *shown.gallery[:1]))
    return [image for image in images if image is not None]


def _script(value: Mapping[str, Any]) -> Markup:
    """JSON within a script element, which no text of a business can end."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - there is no sign of HTML left in it


def _is_offered(offer: Offer) -> bool:
    return offer.active and not offer.deleted


def _service(offer: Offer, shown: Shown, language: Language) -> Mapping[str, Any]:
    known = shown.opening.next_times if shown.opening is not None else []
    times = [at for one in known if one.service_id == offer.id for at in one.starts_at]
    return {
        "name": offer.name,
        "minutes": offer.duration_minutes,
        "description": offer.description,
        "price": None if offer.price is None else _money(offer.price.amount, offer.price.currency, language),
        "times": [(one.isoformat(), _moment(one, language)) for one in times],
    }


def _money(amount: int, currency: str, language: Language) -> str:
    """Minor units as the reader writes them."""
    value = Decimal(amount).scaleb(-get_currency_precision(currency))
    return format_currency(value, currency, locale=_LOCALES[language])


def _status(opening: Opening | None, language: Language, words: Mapping[str, str]) -> str | None:
    if opening is None:
        return None
    if opening.closes_at is not None:
        return f"{words['open_until']} {_moment(opening.closes_at, language)}"
    if opening.opens_at is not None:
        return f"{words['opens']} {_moment(opening.opens_at, language)}"
    return words["closed_now"]


def _moment(at: datetime, language: Language) -> str:
    """``lun 14/6, 10:00`` by the wall clock of the business, whose offset the instant has."""
    pattern = "EEE M/d, HH:mm" if language == "en" else "EEE d/M, HH:mm"
    return format_datetime(at.replace(tzinfo=None), pattern, locale=_LOCALES[language])


def _week(opening: Opening | None, language: Language) -> list[tuple[str, str]]:
    """Each weekday with its hours, the empty text where it is closed; nothing if there are none at all."""
    if opening is None or not opening.weekly:
        return []
    names = get_day_names("wide", locale=_LOCALES[language])
    return [
        (
            names[weekday - 1].capitalize(),
            ", ".join(f"{one.start}–{one.end}" for one in opening.weekly if one.weekday == weekday),
        )
        for weekday in range(1, 8)
    ]


def _average(state: BusinessState, language: Language) -> str | None:
    return None if state.average is None else format_decimal(state.average, "0.0", locale=_LOCALES[language])
