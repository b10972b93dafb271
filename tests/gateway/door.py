"""A front with one service behind it, and services that answer as a test says."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.gateway.wire import PLAIN, running
from turnosya.runtime.messages import ServiceError
from turnosya.services.gateway import hygiene
from turnosya.services.gateway.exchange import Exchange, HandOver

# For the tests in which a deadline passes; elsewhere a busy machine must not make one pass.
TIMEOUT_S = 0.25


@dataclass
class Door:
    """A front with one service behind it and nothing else."""

    hand_over: HandOver
    ended: list[bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, outwards=PLAIN, on_access_ended=self.ended.append)
        try:
            inner = {**scope, "headers": hygiene.without_hop_fields(scope["headers"])}
            await self.hand_over(inner, exchange)
        except ServiceError as refusal:
            await exchange.refuse(refusal)


def serving(app: ASGIApp) -> AbstractAsyncContextManager[int]:
    """A service in a server of its own, as it runs behind the gateway in the split form."""
    return running(
        uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            timeout_keep_alive=75,
        )
    )


class OpenDoor(Protocol):
    """Opens a door to a service: its port and the door."""

    def __call__(
        self, app: ASGIApp, *, timeout_s: float = 30
    ) -> AbstractAsyncContextManager[tuple[int, Door]]: ...


def get(target: bytes = b"/v1/x") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: api.test\r\n\r\n"


def answers(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        framed = [*headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": framed})
        await send({"type": "http.response.body", "body": body})

    return app
