"""What the door costs and holds; ``python -m tests.bench.door`` alone.

Token checks, refreshes, log-outs at a second gateway, log-ins against what argon2 can do, slow crowds.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import httpx
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bench.crowds import HONEST_A_SECOND, honest, slow_crowd
from tests.bench.figures import Figure
from tests.bench.load import Connection, measure, request
from tests.bench.town import Town, a_town
from tests.flows.systems import Form, System, Zygote, a_system
from tests.gateway.world import Person as Signed
from tests.gateway.world import keys_of
from tests.servers import Servers, warden_of_this_run
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.redis import open_redis
from turnosya.services.users.passwords import Passwords
from turnosya.tour.answers import Tokens
from turnosya.tour.client import Api
from turnosya.tour.people import Person, new_session

ROOT = Path(__file__).parents[2]
WITHIN_S = 4.0
REFRESHERS, AT_ONCE = 8, 50
LOGINS = 16
LOG_OUTS = 10
# The latest that Redis keeps and is asked for.
SCRIPTS = 3000
# Threads that hash: all cores but the one on which everything else runs.
HASHERS = max(1, (os.cpu_count() or 2) - 1)
_CHECKS = 2000


async def figures(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """All of the door's."""
    async for figure in _token_checks():
        yield figure
    alone, one, apart = folder / "door-alone", folder / "door", folder / "door-apart"
    for each in (alone, one, apart):
        each.mkdir()
    hashers = {"TURNOSYA_PASSWORD_WORKERS": str(HASHERS)}
    async with a_system(Form.MEMORY, servers, zygote, alone, settings=hashers, is_hurried=False) as system:
        async with Api(system.url) as api:
            town = await a_town(api, people=LOGINS, businesses=0)
        async for figure in _logins(system, town):
            yield figure
    async with a_system(Form.RABBITMQ, servers, zygote, one, settings=hashers, is_hurried=False) as system:
        async with Api(system.url) as api:
            town = await a_town(api, people=LOGINS, businesses=0)
            async for figure in _refreshes(system, servers, town):
                yield figure
        # The broker takes its part of the cores on which all but the hashing runs.
        async for figure in _logins(system, town, where="over RabbitMQ"):
            yield figure
        async for figure in slow_crowd(system.url, lambda: town.profiles(0)):
            yield figure
    async with a_system(Form.SPLIT, servers, zygote, apart, is_hurried=False) as system:
        yield await _log_outs(system)


# --- tokens


async def _token_checks() -> AsyncGenerator[Figure]:
    key = Ed25519PrivateKey.generate()
    tokens = [Signed(key).token() for _ in range(_CHECKS + 1)]
    verifier = TokenVerifier(keys_of(key))
    await verifier.verify(tokens.pop())  # fetches the keys
    first: list[float] = []
    again: list[float] = []
    for token in tokens:
        began = perf_counter()
        await verifier.verify(token)
        first.append((perf_counter() - began) * 1000)
        began = perf_counter()
        verifier.recall(token)
        again.append((perf_counter() - began) * 1000)
    yield _of_times("token check at first sight", first, 0.25)
    yield _of_times("token check from memory", again, 0.03)


def _of_times(name: str, times_ms: list[float], promised: float) -> Figure:
    more = f"p99 {quantiles(times_ms, n=100)[98]:.3f} ms"
    return Figure("The door", name, median(times_ms), "ms", promised, more)


# --- refreshing


async def _refreshes(system: System, servers: Servers, town: Town) -> AsyncGenerator[Figure]:
    redis: Any = open_redis(servers.redis_url)  # its stubs leave much unknown
    await redis.config_set("slowlog-max-len", SCRIPTS)
    await redis.config_set("slowlog-log-slower-than", 0)
    await redis.slowlog_reset()
    alone = await _refreshed(system.url, town.people[:1])
    together = await _refreshed(system.url, town.people[:REFRESHERS])
    scripts = await _script_times_ms(redis)
    await redis.config_set("slowlog-log-slower-than", 10_000)
    await redis.aclose()
    yield Figure("The door", "refresh", median(alone), "ms", 5, f"p99 {quantiles(alone, n=100)[98]:.1f} ms")
    a_second = len(together) / WITHIN_S
    yield Figure("The door", f"refreshes, {REFRESHERS} connections", a_second, "a second", at_least=400)
    p99 = quantiles(scripts, n=100)[98]
    more = f"p50 {median(scripts):.3f} ms, by Redis's own watch"
    yield Figure("The door", "a script in Redis while refreshing, p99", p99, "ms", 0.5, more)
    yield await _one_successor(system.url, await new_session(town.people[0], "bench"))


async def _refreshed(url: str, people: list[Person]) -> list[float]:
    """Milliseconds of each refresh of a chain for each person."""
    sessions = [await new_session(person, "bench") for person in people]
    until = perf_counter() + WITHIN_S
    times: list[float] = []

    async def chain(token: str) -> None:
        connection = await Connection.to(url)
        while perf_counter() < until:
            body = json.dumps({"refresh_token": token}).encode()
            began = perf_counter()
            status, answer = await connection.ask(request("POST", "/v1/auth/refresh", body=body))
            times.append((perf_counter() - began) * 1000)
            assert status == 200, answer
            token = json.loads(answer)["refresh_token"]
        connection.close()

    await asyncio.gather(*(chain(session.refresh_token) for session in sessions))
    return times


async def _script_times_ms(redis: Any) -> list[float]:  # noqa: ANN401
    """What Redis itself took for each script it ran since its log was emptied."""
    entries: list[dict[str, Any]] = await redis.slowlog_get(SCRIPTS)
    return [entry["duration"] / 1000 for entry in entries if entry["command"].startswith(b"EVALSHA")]


async def _one_successor(url: str, tokens: Tokens) -> Figure:
    body = json.dumps({"refresh_token": tokens.refresh_token}).encode()
    asked = request("POST", "/v1/auth/refresh", body=body, key="0199c0de-bench")
    connections = [await Connection.to(url) for _ in range(AT_ONCE)]
    began = perf_counter()
    answers = await asyncio.gather(*(one.ask(asked) for one in connections))
    took_ms = (perf_counter() - began) * 1000
    for one in connections:
        one.close()
    assert {status for status, _ in answers} == {200}, answers
    successors = {json.loads(answer)["refresh_token"] for _, answer in answers}
    more = f"all in {took_ms:.0f} ms"
    return Figure("The door", f"successors of one token, {AT_ONCE} refreshes", len(successors), "", 1, more)


# --- logging in


async def _logins(system: System, town: Town, *, where: str = "") -> AsyncGenerator[Figure]:
    possible = await asyncio.to_thread(_argon2_a_second, HASHERS)
    asking = measure(
        system.url, [town.logins(number) for number in range(LOGINS)], status=202, within_s=WITHIN_S, warm=1
    )
    # As many as the town of a busy evening asks for, not as many as fit: those would only measure each other.
    reading = honest(system.url, lambda: town.profiles(0), within_s=WITHIN_S)
    logins, reads = await asyncio.gather(asking, reading)
    share = 100 * logins.a_second / possible
    more = f"{logins.a_second:.0f} of {possible:.0f} a second, threads: {HASHERS}"
    name = f"log-ins {where}".rstrip()
    yield Figure("The door", f"{name}, of what argon2 can do", share, "%", more=more, at_least=85)
    more = f"p50 {median(reads):.1f} ms, {HONEST_A_SECOND} a second"
    yield Figure("The door", f"profile reads during {name}, p99", quantiles(reads, n=100)[98], "ms", 50, more)


def _argon2_a_second(threads: int) -> float:
    """Checks of passwords by so many threads that do nothing else."""
    passwords = Passwords(workers=1, queue=1)
    stored = passwords._hasher.hash("una clave larga")  # pyright: ignore[reportPrivateUsage]
    check: Callable[[str, str], bool] = passwords._verify  # pyright: ignore[reportPrivateUsage]
    began = perf_counter()

    def work(_: int) -> int:
        done = 0
        while perf_counter() - began < WITHIN_S / 2:
            check(stored, "una clave larga")
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, range(threads)))
    passwords.close()
    return done / (perf_counter() - began)


# --- logging out


async def _log_outs(system: System) -> Figure:
    """The longest time from the answer of a log-out to the first refusal at a second gateway."""
    times_ms: list[float] = []
    async with (
        Api(system.url) as api,
        system.another("gateway") as second,
        httpx.AsyncClient(base_url=second.url) as http,
    ):
        person = (await a_town(api, people=1, businesses=0)).people[0]
        for number in range(LOG_OUTS):
            token = (await new_session(person, f"bench {number}")).access_token
            headers = {"Authorization": f"Bearer {token}"}
            assert (await http.get("/v1/users/me", headers=headers)).status_code == 200
            (await api.ask("POST", "/v1/auth/logout", token=token)).promised(204)
            began = perf_counter()
            while (await http.get("/v1/users/me", headers=headers)).status_code == 200:
                pass
            times_ms.append((perf_counter() - began) * 1000)
    more = f"p50 {median(times_ms):.0f} ms of {LOG_OUTS}"
    return Figure("The door", "a log-out at a second gateway, longest", max(times_ms), "ms", 1000, more)


async def _alone() -> None:
    with tempfile.TemporaryDirectory(prefix="turnosya-bench-") as name, warden_of_this_run(ROOT):
        zygote = Zygote(ROOT)
        try:
            async for figure in figures(Servers(), zygote, Path(name)):
                kept = "" if figure.is_kept else "   NOT KEPT"
                sys.stdout.write(f"{figure.name}: {figure.text}  ({figure.promise}){kept}\n")
                sys.stdout.flush()
        finally:
            zygote.close()


if __name__ == "__main__":
    uvloop.run(_alone())
