"""How WhatsApp writes numbers where it does not follow E.164: mobiles of Argentina, Mexico and Brazil.

An account keeps the spelling under which it was made, so that a number may be known there with the digit that
says *mobile* or without it, whatever the plan of the country says today.
"""

from __future__ import annotations

import re

from turnosya.runtime.phones import canonical

_OTHERS = (
    (re.compile(r"\+549(\d{10})"), r"54\1"),
    (re.compile(r"\+52(\d{10})"), r"521\1"),
    (re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"55\1\2"),
)
# Argentina needs no line: the numbers without their 9 are understood everywhere here.
_MEANT = (
    (re.compile(r"521(\d{10})"), r"52\1"),
    (re.compile(r"55(\d\d)([6-9]\d{7})"), r"55\g<1>9\2"),
)


def other_spelling(phone: str) -> str | None:
    """The digits under which WhatsApp may know an E.164 number besides its own; None where there are none."""
    for shape, other in _OTHERS:
        if found := shape.fullmatch(phone):
            return found.expand(other)
    return None


def phone_of(digits: str) -> str:
    """The E.164 number that is meant by WhatsApp's digits; raises ``ValueError`` for what is none."""
    for shape, meant in _MEANT:
        if found := shape.fullmatch(digits):
            return canonical("+" + found.expand(meant))
    return canonical("+" + digits)
