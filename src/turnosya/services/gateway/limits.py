"""How often a caller may ask: GCRA buckets in Redis, or in this process while Redis is away."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import ceil, floor
from time import monotonic

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from turnosya.services.gateway.problems import RateLimited

log = structlog.get_logger()

_SCRIPT = files("turnosya.services.gateway").joinpath("limits.lua").read_text("utf-8")
# While Redis is away each process counts for itself this many callers, the latest ones.
LOCAL_BUCKETS = 50_000
# Fewer than the client has connections: it fails where it should wait, and a crowd would be counted locally.
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a minute, and at most ``burst`` at once."""

    name: str
    per_minute: int
    burst: int

    @property
    def step_ms(self) -> float:
        """Milliseconds in which one request is earned."""
        return 60_000 / self.per_minute


# Their tests: docs/security.md. A burst is said where a figure was asked for; the last four have what suits.
ANONYMOUS = Rate("anonymous", 60, 20)
USER = Rate("user", 600, 100)
WRITES = Rate("writes", 120, 30)
REFRESH = Rate("refresh", 10, 10)
CODES = Rate("codes", 10, 10)
# A provider's webhooks come from few addresses and are signed; a socket's polling is one client's.
MACHINES = Rate("machines", 600, 100)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One rate and whom it counts."""

    rate: Rate
    who: str

    @property
    def key(self) -> str:
        """Its name in Redis."""
        return f"gateway:limit:{self.rate.name}:{self.who}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A bucket after it was asked."""

    rate: Rate
    remaining: int
    full_in_s: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass; ``wait_s`` is 0 if it may."""

    wait_s: int
    standings: tuple[Standing, ...]

    def fields(self) -> list[tuple[bytes, bytes]]:
        """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers-10)."""
        policy = ", ".join(f'"{s.rate.name}";q={s.rate.per_minute};w=60' for s in self.standings)
        limit = ", ".join(f'"{s.rate.name}";r={s.remaining};t={s.full_in_s}' for s in self.standings)
        return [(b"ratelimit-policy", policy.encode("ascii")), (b"ratelimit", limit.encode("ascii"))]

    def enforce(self) -> None:
        """Raises RateLimited if the request may not pass."""
        if self.wait_s:
            raise RateLimited(retry_after_s=self.wait_s)


class LocalBuckets:
    """The same arithmetic in this process, for the time in which Redis is away."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def charge(self, buckets: Sequence[Bucket]) -> Verdict:
        """Charges all buckets or none."""
        now = self._now() * 1000
        arrivals = [max(self._arrivals.get(bucket.key, 0.0), now) for bucket in buckets]
        wait_ms = max(
            arrival + bucket.rate.step_ms - now - bucket.rate.burst * bucket.rate.step_ms
            for bucket, arrival in zip(buckets, arrivals, strict=True)
        )
        standings: list[Standing] = []
        for bucket, arrival in zip(buckets, arrivals, strict=True):
            rate, after = bucket.rate, arrival
            if wait_ms <= 0:
                after = arrival + rate.step_ms
                self._arrivals[bucket.key] = after
                self._arrivals.move_to_end(bucket.key)
            room = floor((rate.burst * rate.step_ms - (after - now)) / rate.step_ms + 0.001)
            standings.append(Standing(rate, max(0, room), ceil((after - now) / 1000)))
        while len(self._arrivals) > LOCAL_BUCKETS:
            self._arrivals.popitem(last=False)
        return Verdict(max(0, ceil(wait_ms / 1000)), tuple(standings))


class Limits:
    """Charges a request's buckets: one round trip to Redis, never an error, never open."""

    def __init__(
        self,
        redis: Redis,
        *,
        answer_within_s: float,
        retry_after_s: float,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._answer_within_s = answer_within_s
        self._retry_after_s = retry_after_s
        self._now = now
        self._room = asyncio.Semaphore(AT_ONCE)
        self._away_until = 0.0
        self._local = LocalBuckets(now)

    async def charge(self, buckets: Sequence[Bucket]) -> Verdict:
        """Charges all buckets or none."""
        if self._now() < self._away_until:
            return self._local.charge(buckets)
        keys = [bucket.key for bucket in buckets]
        arguments = [figure for bucket in buckets for figure in (bucket.rate.step_ms, bucket.rate.burst)]
        try:
            async with asyncio.timeout(self._answer_within_s), self._room:
                report: list[int] = await self._script(keys=keys, args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._now() + self._retry_after_s
            log.warning("limits_counted_locally", error=type(error).__name__)
            return self._local.charge(buckets)
        standings = tuple(
            Standing(bucket.rate, report[2 + 2 * i], ceil(report[3 + 2 * i] / 1000))
            for i, bucket in enumerate(buckets)
        )
        return Verdict(ceil(report[1] / 1000), standings)
