"""When a process is dead, and when somebody must be told: decisions alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from turnosya.services.checks import alarms
from turnosya.services.checks.alarms import Life, Verdict, judge
from turnosya.services.checks.rules import Health

NOW = datetime(2027, 6, 10, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def a_life(number: int = 1, **changes: object) -> Life:
    values: dict[str, object] = {
        "process_id": UUID(int=number),
        "services": ("turnos",),
        "address": "a:8000",
        "pid": number,
        "started_at": ago(1000),
        "heard_at": ago(1),
        "away": {},
    }
    return Life(**cast("dict[str, Any]", values | changes))


def wrong(*lives: Life) -> set[tuple[str, str]]:
    return set(judge(lives, {}, {}, now=NOW).wrong)


@pytest.mark.parametrize(("silent_s", "is_dead"), [(1, False), (9.5, False), (10.5, True), (400, True)])
def test_ten_seconds_of_silence_are_death(silent_s: float, is_dead: bool) -> None:  # noqa: FBT001
    assert wrong(a_life(heard_at=ago(silent_s))) == (
        {("process_dead", "turnos a:8000")} if is_dead else set()
    )


def test_one_that_is_started_again_in_its_place_ends_the_alarm_and_a_copy_elsewhere_does_not() -> None:
    dead = a_life(1, heard_at=ago(30))
    again = a_life(2, started_at=ago(5))
    elsewhere = a_life(3, address="b:8000", started_at=ago(5))
    assert wrong(dead, again) == set()
    assert wrong(dead, elsewhere) == {("process_dead", "turnos a:8000")}
    verdict = judge([dead, again], {}, {}, now=NOW)
    assert over(("process_dead", "turnos a:8000"), verdict, [dead, again])


def test_what_is_lacked_is_an_alarm_after_a_while_and_over_when_nobody_lacks_it() -> None:
    lacking = a_life(away={"turnos database": ago(20)})
    assert wrong(lacking) == {("dependency_away", "turnos database")}
    assert wrong(a_life(away={"turnos database": ago(5)})) == set()
    key = ("dependency_away", "turnos database")
    for lives, is_over in (([lacking], False), ([a_life()], True), ([], False)):
        assert over(key, judge(lives, {}, {}, now=NOW), lives) is is_over


def test_what_is_lacked_keeps_its_beginning_from_word_to_word() -> None:
    first = alarms.with_away(None, ["turnos database"], at=ago(9))
    before = a_life(away=first)
    assert alarms.with_away(before, ["turnos database", "turnos broker"], at=NOW) == {
        "turnos database": ago(9),
        "turnos broker": NOW,
    }
    assert alarms.with_away(before, [], at=NOW) == {}


@pytest.mark.parametrize(("down_s", "is_wrong"), [(5, False), (11, True)])
def test_a_service_that_is_down_for_a_while_is_an_alarm(down_s: float, is_wrong: bool) -> None:  # noqa: FBT001
    down = Health("down", ago(down_s), None, ago(down_s + 3))
    verdict = judge([], {"chat": down, "jobs": Health("ok", ago(9), 1.0)}, {}, now=NOW)
    assert dict(verdict.wrong) == ({("service_down", "chat"): ago(down_s + 3)} if is_wrong else {})
    assert verdict.well == {("service_down", "jobs")}


@pytest.mark.parametrize(("for_s", "is_wrong"), [(15, False), (21, True)])
def test_a_queue_that_nobody_takes_from_is_an_alarm(for_s: float, is_wrong: bool) -> None:  # noqa: FBT001
    verdict = judge([], {}, {"events.chat": ago(for_s), "events.jobs": None}, now=NOW)
    assert set(verdict.wrong) == ({("queue_unheard", "events.chat")} if is_wrong else set())
    assert verdict.well == {("queue_unheard", "events.jobs")}


def over(key: tuple[str, str], verdict: Verdict, lives: Sequence[Life], *, since_s: float = 60) -> bool:
    return alarms.is_over(key, verdict, lives, since=ago(since_s), now=NOW)


def test_a_dead_process_that_nobody_started_again_is_forgotten_after_ten_minutes() -> None:
    nothing = Verdict({}, frozenset())
    assert not over(("process_dead", "turnos a:8000"), nothing, [])
    assert over(("process_dead", "turnos a:8000"), nothing, [], since_s=601)
