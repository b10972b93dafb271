"""Sockets whose caller may no longer come in: ended at once, whichever way they are carried.

Warning before ``exp`` and renewing in-band are the service's, which alone reads what is said on a socket.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
import websockets
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection

from tests.gateway.door import serving
from tests.gateway.world import Person, World, a_gateway
from tests.stage import until
from turnosya.contracts.auth import Access, AccessChanged
from turnosya.runtime.identity import ACCESS_TOKEN_S

ENDED_WITHIN_S = 1.0


@dataclass
class Chat:
    """A service that repeats what it hears on its sockets."""

    heard: list[str] = field(default_factory=list[str])
    gone: asyncio.Queue[int] = field(default_factory=asyncio.Queue[int])

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self.heard.append(message["text"])
            await send({"type": "websocket.send", "text": message["text"]})
        self.gone.put_nowait(message["code"])


@dataclass
class Town:
    """A gateway with a chat behind it."""

    world: World
    chat: Chat

    def socket(self, person: Person | None = None) -> AbstractAsyncContextManager[ClientConnection]:
        fields = {"Authorization": f"Bearer {person.token()}"} if person else {}
        uri = f"ws://127.0.0.1:{self.world.port}/socket.io/?EIO=4&transport=websocket"
        return websockets.connect(uri, additional_headers=fields)

    def change(self, person: Person, **what: Any) -> None:  # noqa: ANN401 - as of the event
        event = {"user_id": person.user_id, "at": datetime.now(UTC), **what}
        self.world.access.change(AccessChanged.model_validate(event))


@pytest.fixture(params=["in process", "over http"])
async def town(request: pytest.FixtureRequest) -> AsyncGenerator[Town]:
    async with _a_town(over_http=request.param == "over http") as made:
        yield made


@asynccontextmanager
async def _a_town(*, over_http: bool) -> AsyncGenerator[Town]:
    chat = Chat()
    if over_http:
        async with serving(chat) as port, a_gateway(urls={"chat": f"http://127.0.0.1:{port}"}) as world:
            yield Town(world, chat)
    else:
        async with a_gateway() as world:
            world.services["chat"] = chat
            yield Town(world, chat)


async def _says(socket: ClientConnection, text: str) -> None:
    await socket.send(text)
    assert await socket.recv() == text


async def _ended(socket: ClientConnection) -> tuple[int | None, str | None]:
    async with asyncio.timeout(ENDED_WITHIN_S):
        await socket.wait_closed()
    return socket.close_code, socket.close_reason


@pytest.mark.parametrize("why", ["session", "version", "block"])
async def test_a_socket_ends_within_a_second_of_its_callers_access_and_no_other_does(
    town: Town, why: str
) -> None:
    ana, beto = town.world.person(), town.world.person()
    other_device = Person(ana.key, user_id=ana.user_id)
    async with town.socket(ana) as hers, town.socket(beto) as his, town.socket(other_device) as other:
        for socket in (hers, his, other):
            await _says(socket, "hola")
        ended: dict[str, dict[str, Any]] = {
            "session": {"ended_session_ids": [ana.session_id]},
            "version": {"version": ana.uv + 1},
            "block": {"blocked": True},
        }
        town.change(ana, **ended[why])
        code = "access_blocked" if why == "block" else "token_revoked"
        assert await _ended(hers) == (4401, code)
        assert await asyncio.wait_for(town.chat.gone.get(), ENDED_WITHIN_S) == 4401
        await _says(his, "todavía")
        if why == "session":
            await _says(other, "también")
        else:
            assert await _ended(other) == (4401, code)
    await _until_empty(town)


async def test_a_fresh_token_of_the_same_session_ends_no_socket(town: Town) -> None:
    ana = town.world.person()
    async with town.socket(ana) as socket:
        await _says(socket, "hola")
        assert (await town.world.ask("GET /v1/users/me", token=ana.token())).status == 200
        town.change(ana, version=ana.uv)
        town.change(ana, blocked=False)
        await _says(socket, "sigo acá")


async def test_a_list_that_is_fetched_after_a_silence_ends_the_sockets_it_names(town: Town) -> None:
    ana, beto = town.world.person(), town.world.person()
    async with town.socket(ana) as hers, town.socket(beto) as his:
        await _says(hers, "hola")
        await _says(his, "hola")
        ended = Access(
            blocked_user_ids=[], versions={}, ended_session_ids=[ana.session_id], at=datetime.now(UTC)
        )
        town.world.access.take(ended)
        assert await _ended(hers) == (4401, "token_revoked")
        await _says(his, "todavía")


async def test_access_that_ended_during_the_handshake_opens_no_socket(town: Town) -> None:
    ana = town.world.person()
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await release.wait()
        await town.chat(scope, receive, send)

    town.world.services["chat"] = slow
    opening = asyncio.ensure_future(_refused(town, ana))
    await asyncio.wait_for(begun.wait(), 5)
    town.change(ana, ended_session_ids=[ana.session_id])
    assert await asyncio.wait_for(opening, ENDED_WITHIN_S) == 401
    release.set()
    await _until_empty(town)


async def _refused(town: Town, person: Person) -> int:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with town.socket(person):
            pass
    return refused.value.response.status_code


async def test_a_token_in_the_address_is_nobodys(town: Town) -> None:
    ana = town.world.person()
    town.change(ana, blocked=True)
    uri = f"ws://127.0.0.1:{town.world.port}/socket.io/?EIO=4&token={ana.token()}&access_token={ana.token()}"
    async with websockets.connect(uri) as socket:
        await _says(socket, "hola")
        assert len(town.world.access.sockets) == 0


async def test_a_silence_longer_than_a_token_lives_ends_every_socket(town: Town) -> None:
    """What happened in it is on no list any more."""
    access, began = town.world.access, monotonic()
    async with town.socket(town.world.person()) as hers, town.socket() as nobodys:
        await _says(hers, "hola")
        access._now = lambda: began + ACCESS_TOKEN_S - 10  # pyright: ignore[reportPrivateUsage] - time passes
        access.hear()
        await _says(hers, "todavía")
        access._now = lambda: began + 2 * ACCESS_TOKEN_S  # pyright: ignore[reportPrivateUsage] - time passes
        access.hear()
        assert await _ended(hers) == (1012, "service_unavailable")
        await _says(nobodys, "todavía")


async def _until_empty(town: Town) -> None:
    async def held() -> int:
        return len(town.world.access.sockets)

    await until(held, lambda count: count == 0)
