"""How a process listens: the API's port and the operations port, on sockets bound before anything else."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from turnosya.runtime.exposition import CONTENT_TYPE, exposition

_BACKLOG = 2048
_START_S = 10.0


class CannotListen(Exception):
    """The port is taken or not ours to take; the text says what to do."""


def bind(host: str, port: int, *, setting: str) -> socket.socket:
    """A socket that has its port and takes no connection yet: who comes is refused and comes again.

    Raises ``CannotListen`` with a sentence for the person who started us.
    """
    found: socket.socket | None = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as error:
        if found is not None:
            found.close()
        raise CannotListen(_why_not(host, port, error, setting=setting)) from None
    found.setblocking(False)
    return found


def take_connections(found: socket.socket, *, setting: str) -> None:
    """Begins to listen. Raises ``CannotListen`` if another program that had bound the port was faster."""
    host, port = found.getsockname()[:2]
    try:
        found.listen(_BACKLOG)
    except OSError as error:
        raise CannotListen(_why_not(host, port, error, setting=setting)) from None


def _why_not(host: str, port: int, error: OSError, *, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use: stop who uses it, or set {setting} to another port."
    return f"Cannot listen on {host}:{port} ({error.strerror}): set {setting} or TURNOSYA_HOST."


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # The process stops in an order of its own; uvicorn must not take the signals.
        yield


def plain_config(app: ASGIApp) -> uvicorn.Config:
    """For ports that only our own gateway and operators reach."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )


@asynccontextmanager
async def listening(
    config: uvicorn.Config, found: socket.socket, *, stop_within_s: float
) -> AsyncGenerator[None]:
    """Serves on a bound socket; at the end takes no new request and lets running ones end."""
    config.timeout_graceful_shutdown = max(1, int(stop_within_s))
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[found]))
    try:
        async with asyncio.timeout(_START_S):
            await server.listens.wait()
        yield
    finally:
        server.should_exit = True
        await running


def operations_app(ready: Callable[[], Awaitable[bool]]) -> ASGIApp:
    """Health and metrics of the whole process, for a port that only operators and Prometheus reach."""

    async def metrics(_: Request) -> Response:
        # Thousands of lines take tens of milliseconds: not on the loop, where everybody would wait for them.
        text = await asyncio.to_thread(exposition, REGISTRY)
        return Response(text, media_type=CONTENT_TYPE)

    return Starlette(routes=[*_health(ready), Route("/metrics", metrics)])


def health_app(ready: Callable[[], Awaitable[bool]]) -> ASGIApp:
    """Health of the whole process alone, for the API's port; what is counted is shown to nobody there."""
    return Starlette(routes=_health(ready))


def _health(ready: Callable[[], Awaitable[bool]]) -> list[Route]:
    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        if await ready():
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "not ready"}, 503, headers={"Retry-After": "2"})

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
