"""What becomes of a job that failed, and where the clock may be set: decisions without input or output."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

# More tries than a year has half hours help nobody.
_MOST_ATTEMPTS = 20_000
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
# A fifth: jobs that failed together do not all come back at once.
_JITTER = 0.2


def attempts_allowed(wanted: int) -> int:
    """How often a job may be started: once at least."""
    return min(max(wanted, 1), _MOST_ATTEMPTS)


def retry_in(
    attempts: int, max_attempts: int, *, delays_s: Sequence[float], chance: float
) -> timedelta | None:
    """How long to wait after the failed start number ``attempts``; None when it was the last.

    ``chance``, from 0 to 1, makes it up to a fifth longer.
    """
    if attempts >= max_attempts:
        return None
    delay_s = delays_s[min(attempts, len(delays_s)) - 1]
    return timedelta(seconds=delay_s * (1 + _JITTER * chance))


def advanced(now: datetime, minutes: int) -> datetime | None:
    """The instant so many minutes from ``now``, or back if negative; None outside of what can be set."""
    least, most = ((limit - now) // timedelta(minutes=1) for limit in (_EARLIEST, _LATEST))
    return now + timedelta(minutes=minutes) if least < minutes <= most else None


def settable(instant: datetime) -> datetime | None:
    """The instant in UTC, if the clock may stand there."""
    return instant.astimezone(UTC) if _EARLIEST <= instant <= _LATEST else None
