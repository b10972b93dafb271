"""The clock stands where it was set until it is released, and old news moves it nowhere."""

from datetime import UTC, datetime, timedelta

from turnosya.runtime.clock import Clock, real_now

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


def test_it_is_real_time_until_it_is_set_and_again_when_it_is_released() -> None:
    clock = Clock()
    assert not clock.is_set
    assert abs(real_now() - clock.now()) < timedelta(seconds=5)
    clock.use(version=1, set_to=NOON)
    assert (clock.is_set, clock.now(), clock.now()) == (True, NOON, NOON)
    clock.use(version=2, set_to=None)
    assert not clock.is_set
    assert clock.now().tzinfo is UTC


def test_an_older_version_is_ignored_and_watchers_hear_of_each_newer_one() -> None:
    clock = Clock()
    heard: list[datetime] = []
    clock.on_change(lambda: heard.append(clock.now()))
    clock.use(version=5, set_to=NOON)
    clock.use(version=4, set_to=NOON + timedelta(days=1))
    assert clock.now() == NOON
    clock.use(version=6, set_to=NOON + timedelta(days=2))
    assert heard == [NOON, NOON + timedelta(days=2)]
