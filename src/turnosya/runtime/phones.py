"""One form for every spelling of a phone number, before any lookup or counter."""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from turnosya.runtime.field_errors import wrong

REGION = "AR"
MAX_LENGTH = 32

_SPELLING = re.compile(r"[+0-9 ().-]+")
# In some plans (NANP) the number does not tell a mobile from a fixed line.
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
_ARGENTINA = 54
_NO_COUNTRY = "001"


def canonical(text: str) -> str:
    """The number as E.164. Raises ValueError for what is no mobile number.

    Argentine numbers that look like fixed lines become ``+549…``: most people leave the 9 out.
    """
    if len(text) > MAX_LENGTH or not _SPELLING.fullmatch(text):
        raise wrong("phone")
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException as error:
        raise wrong("phone") from error
    number = _with_mobile_prefix(number)
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        raise wrong("phone")
    if phonenumbers.region_code_for_number(number) == _NO_COUNTRY:
        raise wrong("phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def region_of(number: str) -> str:
    """The ISO 3166 code of a canonical number's country."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""


def _with_mobile_prefix(number: PhoneNumber) -> PhoneNumber:
    if number.country_code != _ARGENTINA or phonenumbers.number_type(number) != PhoneNumberType.FIXED_LINE:
        return number
    return phonenumbers.parse(f"+{_ARGENTINA}9{phonenumbers.national_significant_number(number)}")
