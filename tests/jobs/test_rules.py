"""Waiting after failures, and where the clock may stand."""

from datetime import UTC, datetime, timedelta

import pytest

from turnosya.services.jobs import rules

DELAYS_S = (1.0, 5.0, 30.0, 300.0, 1800.0)
NOW = datetime(2027, 6, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 1), (2, 5), (3, 30), (4, 300), (5, 1800), (6, 1800), (9, 1800)]
)
def test_each_failure_waits_longer_and_up_to_a_fifth_more(attempts: int, seconds: int) -> None:
    least, most = (rules.retry_in(attempts, 10, delays_s=DELAYS_S, chance=chance) for chance in (0.0, 1.0))
    assert least == timedelta(seconds=seconds)
    assert most == timedelta(seconds=seconds) * 1.2


def test_after_the_last_attempt_there_is_none() -> None:
    assert rules.retry_in(10, 10, delays_s=DELAYS_S, chance=0.5) is None


@pytest.mark.parametrize(("wanted", "allowed"), [(-(2**63), 1), (0, 1), (3, 3), (2**63, 20_000)])
def test_a_job_is_started_once_at_least_and_not_for_ever(wanted: int, allowed: int) -> None:
    assert rules.attempts_allowed(wanted) == allowed


@pytest.mark.parametrize("minutes", [10**10, -(10**10), 4 * 10**9, -(10**8)])
def test_the_clock_cannot_leave_what_can_be_set(minutes: int) -> None:
    assert rules.advanced(NOW, minutes) is None


@pytest.mark.parametrize("minutes", [0, 1, -1, 60 * 24 * 365, -60 * 24 * 365 * 50])
def test_the_clock_goes_forwards_and_backwards(minutes: int) -> None:
    assert rules.advanced(NOW, minutes) == NOW + timedelta(minutes=minutes)
