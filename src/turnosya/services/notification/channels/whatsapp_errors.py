"""What the WhatsApp Cloud API's error numbers mean for a message."""

from __future__ import annotations

from turnosya.services.notification.channels.outcome import Outcome

# Temporary, of the service or the network between its parts.
_AGAIN = frozenset({1, 2, 131000})
# Too much from us: of the application, the account, the number; 131056 of one pair of numbers.
_SLOWER = frozenset({4, 80007, 130429, 131048})
_SLOWER_TO_ONE = 131056
# Nobody reads WhatsApp there.
_ELSEWHERE = frozenset({131026, 131062})
# The token, the permissions, the account, its payment.
_STOPPED = frozenset({0, 10, 190, 368, 131031, 131042})

_REST_S, _ONE_REST_S = 30.0, 6.0
# People do get WhatsApp.
_NO_WHATSAPP_DAYS = 7
_SERVER_ERROR, _TOO_MANY, _CLIENT_ERROR = 500, 429, 400


def outcome_of(code: int | None, *, status: int = 0, asked_s: float | None = None) -> Outcome:
    """What an error number means, in an answer (with its HTTP status) or in a webhook (without)."""
    reason = f"whatsapp_{code}" if code is not None else f"http_{status}"
    if code in _ELSEWHERE:
        return Outcome("elsewhere", reason, shut_days=_NO_WHATSAPP_DAYS)
    if code in _STOPPED:
        return Outcome("stopped", reason)
    if code == _SLOWER_TO_ONE:
        return Outcome("again", reason, after_s=asked_s or _ONE_REST_S)
    if code in _SLOWER or status == _TOO_MANY:
        return Outcome("again", reason, after_s=asked_s or _REST_S, rests=True)
    # Without a number it is no answer of the API: something between us says no.
    is_passing = code in _AGAIN or status >= _SERVER_ERROR or (code is None and status >= _CLIENT_ERROR)
    # All other numbers are about our message: parameters, templates (132xxx), a closed window (131047).
    return Outcome("again" if is_passing else "refused", reason, after_s=asked_s if is_passing else None)
