"""Whom the gateway lets in as it hears auth, falls deaf, asks, and hears again; time stands still."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from turnosya.contracts.auth import Access, AccessChanged
from turnosya.runtime.identity import Caller, TokenRevoked
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Unavailable
from turnosya.services.gateway.access import REMEMBERED_S, AccessList
from turnosya.services.gateway.problems import AccessBlocked

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


class Auth:
    """Auth as the gateway reaches it over HTTP, and the time by which the gateway judges its silence."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.asked = 0
        self.answer: Access | None = snapshot()

    async def ask(self) -> Access:
        self.asked += 1
        if self.answer is None:
            raise Unavailable
        return self.answer

    def a_list(self) -> AccessList:
        return AccessList(self.ask, deaf_after_s=5, now=lambda: self.now_s)


def snapshot(
    *,
    blocked: Sequence[UUID] = (),
    ended: Sequence[UUID] = (),
    versions: Mapping[UUID, int] | None = None,
    at: datetime = NOON,
) -> Access:
    return Access(
        blocked_user_ids=list(blocked),
        versions=dict(versions or {}),
        ended_session_ids=list(ended),
        at=at,
    )


def caller(*, uv: int = 1) -> Caller:
    return Caller(new_id(), new_id(), new_id(), uv, (), NOON, "token")


@pytest.fixture
def auth() -> Auth:
    return Auth()


def hearing(auth: Auth) -> AccessList:
    access = auth.a_list()
    access.hear()
    access.trust(snapshot(), silences=access.silences)
    return access


async def test_while_auth_is_heard_nobody_is_asked(auth: Auth) -> None:
    access = hearing(auth)
    for _ in range(20):
        auth.now_s += 1
        access.hear()
        await access.check(caller())
    assert auth.asked == 0


async def test_before_the_first_snapshot_and_after_5_s_of_silence_auth_is_asked_each_time(auth: Auth) -> None:
    access = auth.a_list()
    access.hear()
    await access.check(caller())
    assert auth.asked == 1
    access = hearing(auth)
    auth.now_s += 4.9
    await access.check(caller())
    assert auth.asked == 1
    auth.now_s += 0.2
    for asked in (2, 3):
        await access.check(caller())
        assert auth.asked == asked
    auth.answer = None
    with pytest.raises(Unavailable):
        await access.check(caller())


async def test_heard_again_it_still_asks_until_a_snapshot_says_what_was_missed(auth: Auth) -> None:
    access = hearing(auth)
    ana = caller()
    auth.now_s += 10
    access.hear()
    auth.answer = snapshot(ended=[ana.session_id])
    with pytest.raises(TokenRevoked):
        await access.check(ana)
    assert auth.asked == 1
    assert access.wants_snapshot
    access.trust(auth.answer, silences=access.silences)
    with pytest.raises(TokenRevoked):
        await access.check(ana)
    assert auth.asked == 1


async def test_a_snapshot_asked_for_before_the_last_silence_is_not_enough(auth: Auth) -> None:
    access = hearing(auth)
    auth.now_s += 10
    access.hear()
    before = access.silences
    auth.now_s += 10
    access.hear()
    access.trust(snapshot(), silences=before)
    await access.check(caller())
    assert auth.asked == 1


async def test_a_change_that_is_newer_than_a_late_snapshot_stays(auth: Auth) -> None:
    access = hearing(auth)
    ana, beto = caller(), caller()
    access.change(AccessChanged(user_id=ana.user_id, blocked=True, at=NOON + timedelta(seconds=2)))
    access.change(AccessChanged(user_id=beto.user_id, blocked=False, at=NOON + timedelta(seconds=2)))
    for _ in range(3):
        access.take(snapshot(blocked=[beto.user_id], at=NOON + timedelta(seconds=1)))
    with pytest.raises(AccessBlocked):
        await access.check(ana)
    await access.check(beto)


async def test_of_two_snapshots_the_newer_holds_in_whatever_order_they_come(auth: Auth) -> None:
    access = hearing(auth)
    ana = caller()
    access.take(snapshot(blocked=[ana.user_id], at=NOON + timedelta(seconds=2)))
    access.take(snapshot(at=NOON + timedelta(seconds=1)))
    with pytest.raises(AccessBlocked):
        await access.check(ana)
    access.take(snapshot(at=NOON + timedelta(seconds=3)))
    await access.check(ana)


async def test_a_version_never_falls(auth: Auth) -> None:
    access = hearing(auth)
    ana = caller(uv=2)
    access.change(AccessChanged(user_id=ana.user_id, version=3, at=NOON))
    access.take(snapshot(versions={ana.user_id: 2}))
    with pytest.raises(TokenRevoked):
        await access.check(ana)


async def test_what_no_live_token_can_be_of_is_forgotten(auth: Auth) -> None:
    access = hearing(auth)
    ana = caller()
    access.change(AccessChanged(user_id=ana.user_id, ended_session_ids=[ana.session_id], version=2, at=NOON))
    for _ in range(int(REMEMBERED_S) - 1):
        auth.now_s += 1
        access.hear()
    with pytest.raises(TokenRevoked):
        await access.check(ana)
    auth.now_s += 2
    access.hear()
    await access.check(ana)
