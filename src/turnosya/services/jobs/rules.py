"""What may be a job, what becomes of one that failed, where the clock may be set: no input or output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from turnosya.contracts.jobs import AT_ONCE
from turnosya.runtime.field_errors import WORDS, wrong_field
from turnosya.runtime.messages import Say, invalid
from turnosya.services.jobs import recurrence

if TYPE_CHECKING:
    from turnosya.contracts.jobs import Job

# More tries than a year has half hours help nobody.
_MOST_ATTEMPTS = 20_000
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
# A fifth: jobs that failed together do not all come back at once.
_JITTER = 0.2
_LONGEST_KEY = 300
# A job carries ids; what is long is kept by the service that asks for it.
_LARGEST_BODY = 64 * 1024
_BAD_WORD = Say(
    f"debe tener de 1 a {_LONGEST_KEY} caracteres visibles",
    f"must have 1 to {_LONGEST_KEY} visible characters",
    f"deve ter de 1 a {_LONGEST_KEY} caracteres visíveis",
)
_TOO_LARGE = Say(
    "debe ocupar menos de 64 KiB en JSON",
    "must be less than 64 KiB of JSON",
    "deve ocupar menos de 64 KiB em JSON",
)


def check(job: Job) -> None:
    """Raises ``Invalid`` for what can never be made."""
    for name, word in (("key", job.key), ("request", job.request), ("concurrency_key", job.concurrency_key)):
        if word is not None and (not 0 < len(word) <= _LONGEST_KEY or not word.isprintable()):
            raise invalid(name, "bad_word", _BAD_WORD)
    if len(json.dumps(job.body)) > _LARGEST_BODY:
        raise invalid("body", "too_large", _TOO_LARGE)
    if job.run_at.tzinfo is None:
        raise invalid("run_at", "no_offset", WORDS["instant"])
    if job.run_at != AT_ONCE and job.in_s is not None:
        raise wrong_field("run_at", "exactly_one", names="run_at, in_s")
    if job.recurs is not None:
        recurrence.check(job.recurs)


def first_run(job: Job, *, now: datetime) -> datetime:
    """The instant at which a job that was checked first comes."""
    if job.run_at != AT_ONCE:
        return job.run_at
    if job.in_s is not None:
        return now + timedelta(seconds=job.in_s)
    found = None if job.recurs is None else recurrence.next_after(job.recurs, now)
    return now if found is None else found


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
