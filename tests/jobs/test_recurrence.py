"""A year in twelve American zones: each daily job once a local day; cron oddities; clocks that step."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from turnosya.contracts.jobs import Recurrence
from turnosya.runtime.messages import Invalid
from turnosya.services.jobs import recurrence
from turnosya.services.jobs.recurrence import _zone as zone_called  # pyright: ignore[reportPrivateUsage]

ZONES = [
    "America/Argentina/Buenos_Aires",
    "America/Asuncion",
    "America/Bogota",
    "America/Caracas",
    "America/Havana",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
]
# Midnight and its neighbours, and the hours that clocks leave out or repeat.
TIMES = ["0 0", "30 0", "30 1", "0 2", "30 2", "0 9", "59 23"]
NOON = datetime(2027, 6, 10, 12, tzinfo=UTC)
SENSELESS = [
    "",
    "@daily",
    "* * * *",
    "* * * * * *",
    "60 0 * * *",
    "0 24 * * *",
    "*/0 * * * *",
    "0 0 30 2 *",
    "0 0 31 4,6 *",
    "0 0 * * 8",
    "0 0 0 * *",
    "a b c d e",
    "\u0660 0 * * *",
    "0 0 * * \u0000",
    "0,1," * 100 + "2 * * * *",
]


def times(recurs: Recurrence, start: datetime, end: datetime) -> list[datetime]:
    found: list[datetime] = []
    at = recurrence.next_after(recurs, start)
    while at is not None and at < end:
        found.append(at)
        at = recurrence.next_after(recurs, at)
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_each_daily_job_comes_once_a_local_day_all_year(zone: str) -> None:
    here = zone_called(zone)
    first = datetime(2027, 1, 1, tzinfo=here).astimezone(UTC)
    end = datetime(2028, 1, 1, tzinfo=here).astimezone(UTC)
    every_day = {date(2027, 1, 1) + timedelta(days=days) for days in range(365)}
    for time in TIMES:
        recurs = Recurrence(cron=f"{time} * * *", timezone=zone)
        days = Counter(at.astimezone(here).date() for at in times(recurs, first - timedelta(seconds=1), end))
        assert set(days) == every_day, (time, every_day ^ set(days))
        assert set(days.values()) == {1}, time


def test_where_the_hour_is_left_out_it_comes_at_the_change_and_where_it_repeats_at_the_first() -> None:
    recurs = Recurrence(cron="30 2 * * *", timezone="America/New_York")
    spring = recurrence.next_after(recurs, datetime(2027, 3, 14, 5, tzinfo=UTC))
    assert spring == datetime(2027, 3, 14, 7, tzinfo=UTC)
    recurs = Recurrence(cron="30 1 * * *", timezone="America/New_York")
    autumn = recurrence.next_after(recurs, datetime(2027, 11, 7, 4, tzinfo=UTC))
    assert autumn == datetime(2027, 11, 7, 5, 30, tzinfo=UTC)
    assert autumn is not None
    assert recurrence.next_after(recurs, autumn) == datetime(2027, 11, 8, 6, 30, tzinfo=UTC)


def test_every_quarter_of_an_hour_goes_by_elapsed_time() -> None:
    recurs = Recurrence(cron="*/15 * * * *", timezone="America/New_York")
    autumn = datetime(2027, 11, 7, tzinfo=UTC)
    assert len(times(recurs, autumn, autumn + timedelta(days=1))) == 95


def test_leap_days_come_in_leap_years_and_the_last_of_the_month_every_month() -> None:
    recurs = Recurrence(cron="0 12 29 2 *")
    assert [at.year for at in times(recurs, NOON, datetime(2045, 1, 1, tzinfo=UTC))] == [
        2028, 2032, 2036, 2040, 2044
    ]  # fmt: skip
    last = Recurrence(cron="0 12 L * *")
    assert len(times(last, NOON, NOON + timedelta(days=365))) == 12


def test_a_cron_that_makes_no_sense_or_never_comes_is_refused() -> None:
    for cron in SENSELESS:
        with pytest.raises(Invalid) as refused:
            recurrence.check(Recurrence(cron=cron))
        assert refused.value.errors[0].field == "recurs.cron", cron


def test_an_unknown_zone_is_refused() -> None:
    for zone in ("", "Mars/Olympus", "../etc/passwd", "America", "america/bogota", "localtime", "UTC\u0000"):
        with pytest.raises(Invalid) as refused:
            recurrence.check(Recurrence(cron="0 0 * * *", timezone=zone))
        assert refused.value.errors[0].field == "recurs.timezone", zone


def test_exactly_one_of_cron_and_interval() -> None:
    for recurs in (Recurrence(), Recurrence(cron="0 0 * * *", every_s=60)):
        with pytest.raises(Invalid):
            recurrence.check(recurs)


def test_missed_times_are_made_up_for_as_asked() -> None:
    late = NOON + timedelta(days=3, seconds=30)
    hourly = {"every_s": 3600.0}
    once = Recurrence.model_validate({**hourly})
    assert recurrence.following(once, run_at=NOON, now=late) == NOON + timedelta(days=3, hours=1)
    each = Recurrence.model_validate({**hourly, "missed": "catch_up"})
    assert recurrence.following(each, run_at=NOON, now=late) == NOON + timedelta(hours=1)
    old = recurrence.following(each, run_at=NOON, now=NOON + timedelta(days=400))
    assert old == NOON + timedelta(days=393, hours=1)
    skip = Recurrence.model_validate({**hourly, "missed": "skip"})
    assert recurrence.is_left_out(skip, run_at=NOON, now=late)
    assert not recurrence.is_left_out(skip, run_at=NOON, now=NOON + timedelta(seconds=59))
    assert not recurrence.is_left_out(once, run_at=NOON, now=late)


def test_a_clock_that_goes_back_within_a_period_repeats_nothing_and_over_more_plans_anew() -> None:
    daily = Recurrence(cron="0 9 * * *", timezone="America/Bogota")
    run_at = datetime(2027, 6, 11, 14, tzinfo=UTC)
    assert recurrence.planned_anew(daily, run_at=run_at, now=run_at - timedelta(hours=25)) is None
    week_before = run_at - timedelta(days=7, hours=1)
    assert recurrence.planned_anew(daily, run_at=run_at, now=week_before) == run_at - timedelta(days=7)


def test_no_interval_leaves_the_calendar() -> None:
    recurs = Recurrence(every_s=10 * 366 * 86_400.0)
    assert recurrence.next_after(recurs, datetime(9000, 1, 1, tzinfo=UTC)) is not None
