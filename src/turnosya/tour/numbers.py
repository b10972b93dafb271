"""Mobile numbers that nobody has been sent a code at."""

from __future__ import annotations

import secrets

from turnosya.runtime.phones import canonical

# Codes are budgeted per number without its last four digits (20 an hour): with 18 areas and a thousand
# or more exchanges in each, tours in a row do not meet.
_AREAS = (
    "11", "221", "223", "261", "264", "280", "291", "299", "336",
    "341", "342", "343", "351", "358", "362", "376", "381", "387",
)  # fmt: skip
_NATIONAL_DIGITS = 10


def a_mobile_number() -> str:
    """An Argentine mobile number at random, as ``+549…``."""
    while True:
        area = secrets.choice(_AREAS)
        digits = _NATIONAL_DIGITS - len(area)
        number = f"+549{area}{secrets.randbelow(4) + 3}{secrets.randbelow(10 ** (digits - 1)):0{digits - 1}}"
        try:
            if canonical(number) == number:
                return number
        except ValueError:
            continue
