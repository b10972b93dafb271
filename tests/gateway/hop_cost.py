"""What the gateway adds to a call: ``python -m tests.gateway.hop_cost``.

A service with one signed-in call, asked itself, through a gateway in its process, and through a gateway that
reaches it over HTTP; one connection each, in turns, the servers in a process of their own. Rates are off.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated

import uvicorn
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Depends

from tests.gateway.wire import running
from tests.gateway.world import Person, front_door, keys_of, ways_to
from turnosya.runtime.fields import Resource
from turnosya.runtime.http import SignedIn, context_of, router, web_app
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.serving import plain_config
from turnosya.runtime.telemetry import set_up_logging
from turnosya.services.gateway.listener import ListenerConfig

ROUNDS = 20
REQUESTS_A_ROUND = 200


@dataclass(frozen=True)
class Spread:
    """Milliseconds of one way to call."""

    p50_ms: float
    p99_ms: float


def hop_cost(rounds: int = ROUNDS) -> dict[str, Spread]:
    """The time of one call by ``direct``, ``in_process`` and ``over_http``."""
    command = [sys.executable, "-m", "tests.gateway.hop_cost", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as servers:
        assert servers.stdout is not None
        told: dict[str, str] = json.loads(servers.stdout.readline())
        token = told.pop("token")
        taken: dict[str, list[float]] = {way: [] for way in told}
        callers = {way: _caller(int(port), token) for way, port in told.items()}
        for turn in range(rounds + 1):
            for way, call in callers.items():
                times = [call() for _ in range(REQUESTS_A_ROUND)]
                if turn:  # the first warms up
                    taken[way] += times
        servers.communicate()
    return {
        way: Spread(statistics.median(times), statistics.quantiles(times, n=100)[98])
        for way, times in taken.items()
    }


def _caller(port: int, token: str) -> Callable[[], float]:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = f"GET /v1/users/me HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    def call() -> float:
        began = perf_counter()
        connection.sendall(request)
        answer = connection.recv(65536)
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        took_ms = (perf_counter() - began) * 1000
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return took_ms

    return call


class _Profile(Resource):
    id: str
    name: str


class _Nothing:
    """The service's context."""


async def _serve() -> None:
    key = Ed25519PrivateKey.generate()
    app = web_app(
        "users", _Nothing(), tokens=TokenVerifier(keys_of(key)), routers=[_profile_route()], ready=_always
    )
    async with AsyncExitStack() as stack:

        async def on(config: uvicorn.Config) -> int:
            return await stack.enter_async_context(running(config))

        direct = await on(plain_config(app))
        ports = {"direct": direct}
        for way, ways in (
            ("in_process", ways_to({"users": app})),
            ("over_http", ways_to({}, users=f"http://127.0.0.1:{direct}")),
        ):
            stack.push_async_callback(ways.close)
            front = front_door(ways, key)
            ports[way] = await on(ListenerConfig(front, front.doorway))
        sys.stdout.write(json.dumps({**ports, "token": Person(key).token()}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def _profile_route() -> APIRouter:
    web = router("/v1/users", tags=["users"])

    @web.get("/me")
    async def me(caller: SignedIn, _: Annotated[_Nothing, Depends(context_of(_Nothing))]) -> _Profile:
        return _Profile(id=str(caller.user_id), name="Ana")

    _ = me
    return web


async def _always() -> bool:
    return True


def main(arguments: Sequence[str]) -> None:
    if list(arguments) == ["serve"]:
        set_up_logging("warning")
        uvloop.run(_serve())
        return
    found = hop_cost()
    for way, spread in found.items():
        added = spread.p50_ms - found["direct"].p50_ms
        sys.stdout.write(
            f"{way:<11} p50 {spread.p50_ms:.3f} ms  p99 {spread.p99_ms:.3f} ms  adds {added:+.3f} ms\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
