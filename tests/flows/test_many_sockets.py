"""Sockets of more than one copy, long absences, and a reader who does not read."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.chat.javascript import Browser, a_browser
from tests.flows.systems import Form, System
from tests.flows.test_chat import Talk, a_talk
from tests.flows.world import World
from tests.stage import until
from turnosya.tour.answers import Tokens
from turnosya.tour.people import Person

EVERYWHERE = pytest.mark.parametrize(
    "form", [Form.MEMORY, Form.SPLIT], indirect=True, ids=["memory", "split"]
)
# 48 KB as JSON, in which everything but ASCII is escaped.
LONG = "\N{ROCKET}" * 4000


async def send_many(talk: Talk, count: int, text: str) -> None:
    path = f"/v1/chat/conversations/{talk.id}/messages"
    for start in range(0, count, 10):
        bodies = [
            {"text": text, "client_message_id": str(uuid4())} for _ in range(start, min(start + 10, count))
        ]
        answers = await asyncio.gather(*(talk.client.ask("POST", path, body) for body in bodies))
        assert {one.status for one in answers} == {201}


@EVERYWHERE
async def test_all_that_was_missed_comes_however_long_it_is(world: World) -> None:
    talk = await a_talk(world)
    await send_many(talk, 60, LONG)
    seen: list[int] = []
    async with a_browser() as browser:
        await browser.connect("owner", world.system.url, talk.shop.owner.token)
        more = True
        while more:
            asked = {"conversation_id": talk.id, "after_seq": len(seen)}
            answer = await browser.ask("owner", "sync", asked)
            assert 1 <= len(answer["messages"]) <= 200
            seen += [one["seq"] for one in answer["messages"]]
            more = answer["more"]
        assert browser.happened("owner", "disconnect") == []
    assert seen == list(range(1, 61))

    async def reached() -> int:
        whole = (await talk.client.ask("GET", f"/v1/chat/conversations/{talk.id}")).promised(200).answer
        marks = {one["user_id"]: one["delivered_seq"] for one in whole["marks"]}
        return int(marks.get(str(talk.shop.owner.id), 0))

    assert await until(reached, lambda seq: seq >= 60) == 60


@asynccontextmanager
async def who_does_not_read(world: World, token: str) -> AsyncGenerator[ClientConnection]:
    """A WebSocket whose owner looks at nothing, with little room before him."""
    url = urlsplit(world.system.url)
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, (url.hostname, url.port))
    address = f"ws://{url.netloc}/socket.io/?EIO=4&transport=websocket"
    async with websockets.connect(address, sock=own, max_queue=1, close_timeout=1) as deaf:
        await deaf.recv()
        await deaf.send("40" + json.dumps({"token": token}))
        assert str(await deaf.recv()).startswith('40{"sid":')
        yield deaf


@EVERYWHERE
async def test_who_does_not_read_a_websocket_is_given_up_and_others_are_served_on(world: World) -> None:
    talk, count = await a_talk(world), 300
    owner = talk.shop.owner
    async with a_browser() as browser, who_does_not_read(world, owner.token) as deaf:
        await browser.connect("owner", world.system.url, owner.token, transports=["websocket"])
        await send_many(talk, count, LONG)
        heard = await browser.until_heard("owner", "message:new", count)
        assert [one["seq"] for one in heard] == list(range(1, count + 1))
        seen = await all_there_is(deaf)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) < count, "what waited for them was thrown away"


async def all_there_is(deaf: ClientConnection) -> list[int]:
    """Numbers of the messages that had come before the end."""
    seen: list[int] = []
    try:
        async with asyncio.timeout(20):
            while True:
                said = str(await deaf.recv())
                if said.startswith('42["message:new"'):
                    seen.append(json.loads(said[2:])[1]["seq"])
    except websockets.ConnectionClosed:
        return seen


@asynccontextmanager
async def a_gateway_to_two_copies(system: System) -> AsyncGenerator[str]:
    """One more gateway and one more copy of chat; where that gateway is."""
    urls = system.process_of("gateway").env["TURNOSYA_SERVICE_URLS"]
    first = f"chat={system.process_of('chat').url}"
    assert first in urls
    async with system.another("chat") as copy:
        both = urls.replace(first, f"{first}|{copy.url}")
        async with system.another("gateway", TURNOSYA_SERVICE_URLS=both) as gateway:
            yield gateway.url


async def on_both_copies(browser: Browser, url: str, person: Person, name: str) -> list[str]:
    """Sockets of one session until each of the two copies has one."""
    names: list[str] = []
    copies: set[str] = set()
    while len(copies) < 2:
        assert len(names) < 60, "one copy gets no sockets"
        names.append(f"{name} {len(names)}")
        await browser.connect(names[-1], url, person.token, transports=["websocket"])
        copies.add(browser.happened(names[-1], "connect")[0]["sid"].partition(".")[0])
    return names


@pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])
async def test_sockets_on_every_copy_end_with_the_session(world: World) -> None:
    admin, calm = await world.an_admin(), await world.a_client()
    leaving, blocked, robbed = [await world.a_client() for _ in range(3)]
    ended = ((leaving, "token_revoked"), (blocked, "access_blocked"), (robbed, "token_revoked"))
    async with a_gateway_to_two_copies(world.system) as url, a_browser() as browser:
        names = [
            await on_both_copies(browser, url, person, str(number))
            for number, (person, _) in enumerate(ended)
        ]
        others = await on_both_copies(browser, url, calm, "calm")

        (await leaving.ask("POST", "/v1/auth/logout")).promised(204)
        await its_token_is_used_twice(robbed)
        blocking = f"/v1/auth/blocked-users/{blocked.id}"
        (await admin.ask("PUT", blocking, {"reason": "spam"})).promised(204)

        for own, (_, code) in zip(names, ended, strict=True):
            for name in own:
                await browser.until(name, lambda said: said["what"] == "disconnect")
                assert browser.events(name, "auth:ended") == [{"code": code}]
        assert [browser.happened(name, "disconnect") for name in others] == [[] for _ in others]


async def its_token_is_used_twice(person: Person) -> None:
    """A refresh token of an older generation: somebody else has it."""
    assert person.tokens is not None
    stolen: dict[str, Any] = {"refresh_token": person.tokens.refresh_token}
    fresh = (await person.api.ask("POST", "/v1/auth/refresh", stolen)).promised(200).as_(Tokens)
    own = {"refresh_token": fresh.refresh_token}
    (await person.api.ask("POST", "/v1/auth/refresh", own)).promised(200)
    (await person.api.ask("POST", "/v1/auth/refresh", stolen)).promised(401, "refresh_token_reused")
