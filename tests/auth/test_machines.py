"""Whatever people and thieves do in whatever order: a session and a code behave as their models say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.auth.world import DAY, HOUR, MINUTE, NUMBER, SECOND, World, a_world, redis_says
from turnosya.contracts.auth import CodeRequested, OtpAttemptsExceeded, OtpInvalid, UseCode
from turnosya.runtime.ids import new_id
from turnosya.runtime.redis import open_redis
from turnosya.services.auth import otp, rules, sessions
from turnosya.services.auth.sessions import RefreshTokenInvalid, RefreshTokenReused

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractAsyncContextManager

KEYS = strategies.sampled_from([None, "a", "b"])
PAUSES = strategies.sampled_from([0, SECOND, 59 * SECOND, MINUTE, HOUR, 10 * DAY, 30 * DAY])
SEEN = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class OnRedis(RuleBasedStateMachine):
    """Runs each step to its end on a loop of its own; one store for all examples, emptied between them."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._redis = open_redis(self.url)
        self._entered: AbstractAsyncContextManager[World] = a_world(self._redis)
        self.run(redis_says(self._redis, "FLUSHALL"))
        self.world = cast("World", self.run(self._entered.__aenter__()))

    def run(self, work: Coroutine[object, object, object]) -> object:
        return self._runner.run(work)

    def outcome_of(self, work: Coroutine[object, object, object]) -> object:
        """What it gives, or the refusal's class."""
        try:
            return self.run(work)
        except (RefreshTokenInvalid, RefreshTokenReused, OtpInvalid, OtpAttemptsExceeded) as refusal:
            return type(refusal)

    def teardown(self) -> None:
        self.run(self._entered.__aexit__(None, None, None))
        self.run(self._redis.aclose())
        self._runner.close()


@dataclass
class Family:
    """A session as the rules describe it."""

    id: str
    issued: list[int]
    began: int
    alive: bool = True
    retry: str | None = None


class Refreshing(OnRedis):
    """One person with sessions, and whoever holds any token that was ever given."""

    @initialize()
    def begin(self) -> None:
        self.families: list[Family] = []
        self.thefts = 0
        self.world.people.person()
        self.sign_in()

    @rule()
    def sign_in(self) -> None:
        tokens = cast("sessions.Tokens", self.run(self.world.signed_in()))
        family = Family(tokens.refresh_token.split(".")[1], [self.world.now.ms], self.world.now.ms)
        self.families.append(family)
        self.run(redis_says(self.world.redis, "DEL", "auth:events"))
        alive = [one for one in self.families if self._counts(one)]
        for one in alive[:-10]:
            one.alive = False

    def _counts(self, family: Family) -> bool:
        return family.alive and not self._over(family, len(family.issued))

    def _over(self, family: Family, generation: int) -> bool:
        now = self.world.now.ms
        return now >= family.began + 90 * DAY or now >= family.issued[generation - 1] + 30 * DAY

    @rule(ms=PAUSES)
    def pass_time(self, ms: int) -> None:
        self.world.now.pass_(ms)

    @rule(pick=strategies.integers(0, 30), back=strategies.sampled_from([0, 0, 0, 1, 1, 2, -1]), key=KEYS)
    def refresh(self, pick: int, back: int, key: str | None) -> None:
        family = self.families[pick % len(self.families)]
        generation = max(1, len(family.issued) - back)
        text = rules.refresh_token(self.world.auth.mac_key, family.id, generation)
        expected = self._decide(family, generation, key)
        found = self.outcome_of(self.world.refresh(text, key))
        if isinstance(expected, int):
            assert isinstance(found, sessions.Tokens)
            assert found.refresh_token.split(".")[1:3] == [family.id, str(expected)]
        else:
            assert found is expected

    @rule(
        pick=strategies.integers(0, 30),
        after=strategies.sampled_from([0, 59 * SECOND, MINUTE, MINUTE + 1]),
        keys=strategies.sampled_from([("a", "a"), ("a", "a"), ("a", "b"), (None, None)]),
    )
    def refresh_twice(self, pick: int, after: int, keys: tuple[str | None, str | None]) -> None:
        self.refresh(pick, 0, keys[0])
        self.world.now.pass_(after)
        self.refresh(pick, 1, keys[1])

    def _decide(self, family: Family, generation: int, key: str | None) -> int | type[Exception]:
        now, latest = self.world.now.ms, len(family.issued)
        if not family.alive or generation > latest or self._over(family, generation):
            return RefreshTokenInvalid
        if generation == latest:
            family.issued.append(now)
            family.retry = key
            return latest + 1
        proved = key is not None and key == family.retry and now - family.issued[-1] <= MINUTE
        if generation == latest - 1 and proved:
            return latest
        self.thefts += 1
        for one in self.families:
            one.alive = False
        return RefreshTokenReused

    @invariant()
    def only_theft_is_told_as_theft(self) -> None:
        if not hasattr(self, "families"):
            return
        shown = cast(
            "list[sessions.Session]",
            self.run(sessions.sessions_of(self.world.auth, self.world.people.by_number[NUMBER].id)),
        )
        assert len(shown) == len([one for one in self.families if self._counts(one)])


class Entering(OnRedis):
    """One number, its codes, and whoever tries."""

    @initialize()
    def begin(self) -> None:
        self.code: str | None = None
        self.expires, self.tries = 0, 0
        self.wrong: list[int] = []
        self.free = self.world.copy_of_auth(limited=False)

    @rule(ms=strategies.sampled_from([SECOND, MINUTE, 210 * SECOND, 12 * HOUR]))
    def pass_time(self, ms: int) -> None:
        self.world.now.pass_(ms)

    def _lives(self) -> bool:
        return self.code is not None and self.world.now.ms < self.expires

    @rule()
    def ask(self) -> None:
        now = self.world.now.ms
        same = self._lives() and self.tries < 5 and self.expires - now >= 2 * MINUTE
        self.run(self.world.ask_code(auth=self.free))
        told = cast("list[CodeRequested]", self.run(self.world.told(CodeRequested)))
        self.run(redis_says(self.world.redis, "DEL", "auth:events"))
        if same:
            assert told[-1].code == self.code
        else:
            self.code, self.expires, self.tries = told[-1].code, now + 5 * MINUTE, 0

    @rule(wrong=strategies.integers(0, 6), after=strategies.sampled_from([0, 0, SECOND, 5 * MINUTE]))
    def try_often(self, wrong: int, after: int) -> None:
        for _ in range(wrong):
            self._try("wrong")
        self.world.now.pass_(after)
        self._try("right")

    def _try(self, code: str) -> None:
        right = code == "right" and self.code is not None
        code = self.code if right and self.code else self._another()
        expected = self._decide(right=right)
        request = UseCode(phone=NUMBER, purpose="register", code=code, key=str(new_id()))
        found = self.outcome_of(otp.use_code(self.world.auth, request))
        assert (found if isinstance(found, type) else None) is expected

    def _another(self) -> str:
        return f"{(int(self.code or 0) + 1) % 1_000_000:06}"

    def _decide(self, *, right: bool) -> type[Exception] | None:
        now = self.world.now.ms
        if not self._lives():
            return OtpInvalid
        if len([at for at in self.wrong if at > now - DAY]) >= 10:
            return OtpAttemptsExceeded
        self.tries += 1
        if self.tries > 5:
            return OtpAttemptsExceeded
        if not right:
            self.wrong.append(now)
            return OtpInvalid
        self.code = None
        return None


@pytest.mark.parametrize("machine", [Refreshing, Entering])
def test_in_every_order(machine: type[OnRedis], redis_url: str) -> None:
    machine.url = redis_url
    run_state_machine_as_test(machine, settings=SEEN)
