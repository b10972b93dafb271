"""What a name, an e-mail address and a password may be."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources

from email_validator import EmailNotValidError, validate_email
from pydantic_core import PydanticCustomError

from turnosya.runtime.phones import canonical

PASSWORD_MIN = 8
PASSWORD_MAX = 128
NAME_MAX = 100

# Control characters and the two line separators; joiners stay, several scripts need them.
_UNPRINTED = {"Cc", "Cs", "Zl", "Zp"}


def person_name(text: str) -> str:
    """The name trimmed, in any script. Raises ValueError for none, a long one or control characters."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise _length(name, "1 to 100 characters")
    if any(unicodedata.category(character) in _UNPRINTED for character in name):
        raise PydanticCustomError("unfit_text", "no control characters")
    return name


def email_address(text: str) -> str:
    """The address as it is stored: domain in lower case. Raises ValueError for what is none."""
    try:
        # The test environment asks nothing of the network and allows the domain `test` (RFC 6761).
        parts = validate_email(text.strip(), test_environment=True)
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "not an e-mail address") from error
    return parts.normalized


def presented_email(text: str) -> str:
    """What somebody typed, in the form in which it is stored if it is an address."""
    try:
        return email_address(text)
    except ValueError:
        return text


def new_password(text: str) -> str:
    """The password in the one form that is hashed. Raises ValueError for a short, long or common one."""
    password = unicodedata.normalize("NFC", text)
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise _length(password, "8 to 128 characters")
    if password.casefold() in _common_passwords() or len(set(password)) == 1:
        raise PydanticCustomError("password_too_common", "one of the commonest passwords")
    return password


def presented_password(text: str) -> str:
    """What somebody typed, in the form that was hashed when it was chosen."""
    return unicodedata.normalize("NFC", text)


def phone_number(text: str) -> str:
    """The number as E.164. Raises ValueError for what is no mobile number."""
    try:
        return canonical(text)
    except ValueError as error:
        raise PydanticCustomError("phone", "not a mobile number") from error


def _length(text: str, allowed: str) -> PydanticCustomError:
    code = "string_too_short" if len(text) < PASSWORD_MIN else "string_too_long"
    return PydanticCustomError(code, "must have {allowed}", {"allowed": allowed})


@cache
def _common_passwords() -> frozenset[str]:
    text = resources.files("turnosya.services.users").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
