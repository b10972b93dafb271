"""What a name, an e-mail address and a password may be."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources

from turnosya.runtime import mail
from turnosya.runtime.field_errors import wrong
from turnosya.runtime.messages import Say

PASSWORD_MIN = 8
PASSWORD_MAX = 128
NAME_MAX = 100
_TOO_COMMON = Say(
    "es una de las contraseñas más comunes",
    "is one of the commonest passwords",
    "é uma das senhas mais comuns",
)

# Control characters and the two line separators; joiners stay, several scripts need them.
_UNPRINTED = {"Cc", "Cs", "Zl", "Zp"}


def person_name(text: str) -> str:
    """The name trimmed, in any script. Raises ValueError for none, a long one or control characters."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise wrong("string_too_short", min_length=1)
    if len(name) > NAME_MAX:
        raise wrong("string_too_long", max_length=NAME_MAX)
    if any(unicodedata.category(character) in _UNPRINTED for character in name):
        raise wrong("unfit_text")
    return name


def presented_email(text: str) -> str:
    """What somebody typed, in the form in which it is stored if it is an address."""
    try:
        return mail.canonical(text)
    except ValueError:
        return text


def new_password(text: str) -> str:
    """The password in the one form that is hashed. Raises ValueError for a short, long or common one."""
    password = unicodedata.normalize("NFC", text)
    if len(password) < PASSWORD_MIN:
        raise wrong("string_too_short", min_length=PASSWORD_MIN)
    if len(password) > PASSWORD_MAX:
        raise wrong("string_too_long", max_length=PASSWORD_MAX)
    if password.casefold() in _common_passwords() or len(set(password)) == 1:
        raise wrong("password_too_common", _TOO_COMMON)
    return password


def presented_password(text: str) -> str:
    """What somebody typed, in the form that was hashed when it was chosen."""
    return unicodedata.normalize("NFC", text)


@cache
def _common_passwords() -> frozenset[str]:
    text = resources.files("turnosya.services.users").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
