"""Who is refused at the front door is in the audit; who is refused on and on does not fill it."""

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from redis.asyncio import Redis

from tests.gateway.world import World, a_gateway
from turnosya.contracts.auth import AccessChanged
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.services.gateway.limits import Limits
from turnosya.services.gateway.refusals import ACCOUNTS, QUIET_S, Refusals


def somebody() -> Caller:
    return Caller(new_id(), new_id(), new_id(), 1, (), datetime.now(UTC), "")


def told(world: World) -> list[tuple[str, UUID | None, str | None]]:
    return [(one.kind, one.subject_id, one.reason) for one in world.front.refusals.waiting]


async def test_a_forged_token_an_ended_session_and_too_many_requests_are_told_once(redis: Redis) -> None:
    limits = Limits(redis, answer_within_s=5, retry_after_s=1)
    async with a_gateway(limits=limits) as world:
        ana, beto = world.person(), world.person()
        for _ in range(3):
            assert await world.code_of("GET /v1/users/me", token="forged") == "token_invalid"
        world.access.change(AccessChanged(user_id=ana.user_id, version=2, at=datetime.now(UTC)))
        for _ in range(3):
            assert await world.code_of("GET /v1/users/me", token=ana.token()) == "token_revoked"
        # An hour-old token is what every phone shows that slept: no refusal to look up.
        assert await world.code_of("GET /v1/users/me", token=beto.token(age_s=3600)) == "token_expired"
        token, until = beto.token(), time.monotonic() + 30
        while await world.code_of("GET /v1/users/me", token=token) != "rate_limited":
            assert time.monotonic() < until
        assert told(world) == [
            ("refused", None, "token_invalid"),
            ("refused", ana.user_id, "token_revoked"),
            ("refused", beto.user_id, "rate_limited"),
        ]


def test_however_many_are_refused_only_so_many_lines_are_told() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    for _ in range(1000):
        refusals.note("token_invalid", None)
    assert len(refusals.waiting) == 1
    for _ in range(3 * ACCOUNTS):
        refusals.note("rate_limited", somebody())
    # Those beyond are one line that names nobody.
    assert len(refusals.waiting) == ACCOUNTS + 1
    assert refusals.waiting[-1].subject_id is None


@pytest.mark.parametrize(("later_s", "lines"), [(QUIET_S - 1, 1), (QUIET_S, 2)])
def test_the_same_again_is_told_after_a_while(later_s: float, lines: int) -> None:
    now = [0.0]
    refusals, ana = Refusals(lambda: now[0]), somebody()
    refusals.note("token_revoked", ana)
    now[0] = later_s
    refusals.note("token_revoked", ana)
    assert len(refusals.waiting) == lines
