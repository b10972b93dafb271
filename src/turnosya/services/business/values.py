"""What the fields of a business may hold."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources
from urllib.parse import urlsplit

import phonenumbers

from turnosya.runtime.field_errors import wrong
from turnosya.services.business.refusals import NO_ADDRESS, NO_COUNTRY, NO_CURRENCY, NO_PAYMENT, NO_PHONE

REGION = "AR"

PAYMENTS = frozenset(
    {
        "cash",
        "debit_card",
        "credit_card",
        "transfer",
        "mercado_pago",
        "modo",
        "uala",
        "qr",
        "pix",
        "paypal",
        "check",
        "crypto",
        "other",
    }
)

_LINE_ENDS = {"\n", "\r", "\t"}
_UNPRINTED = {"Cc", "Cs", "Zl", "Zp"}


def one_line(text: str) -> str:
    """The text trimmed, in any script. Raises ValueError for an empty one or control characters."""
    return _clean(text, allowed=frozenset())


def many_lines(text: str) -> str:
    """The same, where line ends and tabs may stand."""
    return _clean(text, allowed=frozenset(_LINE_ENDS))


def zone_name(text: str) -> str:
    """A name of an IANA zone, as sent. Raises ValueError for any other."""
    if text not in _zones():
        raise wrong("timezone")
    return text


def currency_code(text: str) -> str:
    """An ISO 4217 code in capitals. Raises ValueError for any other text."""
    if text not in _currencies():
        raise wrong("currency", NO_CURRENCY)
    return text


def country_code(text: str) -> str:
    """An ISO 3166-1 alpha-2 code, in capitals. Raises ValueError for any other text."""
    if text.upper() not in _countries():
        raise wrong("country", NO_COUNTRY)
    return text.upper()


def payment(text: str) -> str:
    """A known means of payment. Raises ValueError for any other."""
    if text not in PAYMENTS:
        raise wrong("payment", NO_PAYMENT)
    return text


def business_phone(text: str) -> str:
    """A number of any kind as E.164, fixed lines included. Raises ValueError for what is none."""
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException as error:
        raise wrong("phone", NO_PHONE) from error
    if number.extension or not phonenumbers.is_valid_number(number):
        raise wrong("phone", NO_PHONE)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def web_address(text: str) -> str:
    """An absolute http or https address, as sent. Raises ValueError for any other text."""
    address = one_line(text)
    try:
        parts = urlsplit(address)
        # Neither a name and password nor a script behind what looks like a link.
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        good = good and parts.port != 0 and " " not in address
    except ValueError:
        good = False
    if not good:
        raise wrong("url", NO_ADDRESS)
    return address


@cache
def _currencies() -> frozenset[str]:
    # ISO 4217:2015 with its amendments up to 2025, without funds, metals and test codes.
    table = resources.files("turnosya.services.business").joinpath("currencies.txt")
    return frozenset(table.read_text("utf-8").split())


@cache
def _zones() -> frozenset[str]:
    # The pinned tzdata, so that every machine knows the same zones; "Factory" means that none was set.
    names = resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    return frozenset(names) - {"Factory"}


@cache
def _countries() -> frozenset[str]:
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    return frozenset(line[:2] for line in table.splitlines() if line and not line.startswith("#"))


def _clean(text: str, *, allowed: frozenset[str]) -> str:
    cleaned = unicodedata.normalize("NFC", text).strip()
    if not cleaned:
        raise wrong("string_too_short", min_length=1)
    if any(unicodedata.category(one) in _UNPRINTED and one not in allowed for one in cleaned):
        raise wrong("unfit_text")
    return cleaned
