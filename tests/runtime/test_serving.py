"""A port that listens, is taken, or stops when what is running has ended."""

import asyncio
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from turnosya.runtime.serving import (
    CannotListen,
    bind,
    health_app,
    listening,
    operations_app,
    plain_config,
    take_connections,
)


async def test_a_server_that_stops_lets_running_requests_end_and_takes_no_new_one() -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> PlainTextResponse:
        began.set()
        await go_on.wait()
        return PlainTextResponse("done")

    found = bind("127.0.0.1", 0, setting="TURNOSYA_PORT")
    take_connections(found, setting="TURNOSYA_PORT")
    url = f"http://127.0.0.1:{found.getsockname()[1]}/"
    server = listening(plain_config(Starlette(routes=[Route("/", slow)])), found, stop_within_s=10)
    await server.__aenter__()
    async with httpx.AsyncClient() as http:
        running = asyncio.create_task(http.get(url))
        await began.wait()
        stopping = asyncio.create_task(server.__aexit__(None, None, None))

        async def refused() -> bool:
            try:
                async with httpx.AsyncClient(timeout=0.2) as other:
                    await other.get(url)
            except (httpx.ConnectError, httpx.TimeoutException):
                return True
            return False

        assert await refused()
        assert not running.done()
        go_on.set()
        assert (await running).text == "done"
        await stopping


def test_a_port_that_is_taken_is_said_with_the_setting_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"Port {port} .*TURNOSYA_OPERATIONS_PORT"):
            bind("127.0.0.1", port, setting="TURNOSYA_OPERATIONS_PORT")
    with pytest.raises(CannotListen, match="TURNOSYA_HOST"):
        bind("no.such.host.invalid", 0, setting="TURNOSYA_PORT")


async def test_a_bound_port_is_ours_and_refuses_until_connections_are_taken() -> None:
    with bind("127.0.0.1", 0, setting="TURNOSYA_PORT") as first:
        port = first.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        with bind("127.0.0.1", port, setting="TURNOSYA_PORT") as later:
            take_connections(first, setting="TURNOSYA_PORT")
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            with pytest.raises(CannotListen, match=f"Port {port} .*TURNOSYA_PORT"):
                take_connections(later, setting="TURNOSYA_PORT")


async def test_health_readiness_and_metrics_of_a_process() -> None:
    is_ready = False

    async def ready() -> bool:
        return is_ready

    transport = httpx.ASGITransport(operations_app(ready))
    async with httpx.AsyncClient(transport=transport, base_url="http://operations") as http:
        assert (await http.get("/healthz")).status_code == 200
        refused = await http.get("/readyz")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        is_ready = True
        assert (await http.get("/readyz")).status_code == 200
        assert "turnosya_rpc_seconds" in (await http.get("/metrics")).text
    transport = httpx.ASGITransport(health_app(ready))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.get("/metrics")).status_code == 404
