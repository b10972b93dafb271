"""Engine.IO v4 and Socket.IO v5 without a library: what breaks the protocol loses its own connection."""

import asyncio
import contextlib
import json
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.flows.systems import Form
from tests.flows.world import World
from tests.stage import until

pytestmark = pytest.mark.parametrize(
    "form", [Form.MEMORY, Form.SPLIT], indirect=True, ids=["memory", "split"]
)

POLLING = {"EIO": "4", "transport": "polling"}
SEPARATOR = "\x1e"


class Poller:
    """A client that polls."""

    def __init__(self, http: httpx.AsyncClient, sid: str) -> None:
        self._http = http
        self.sid = sid

    async def poll(self) -> httpx.Response:
        return await self._http.get("/socket.io/", params={**POLLING, "sid": self.sid}, timeout=30)

    async def post(self, body: str) -> httpx.Response:
        return await self._http.post(
            "/socket.io/", params={**POLLING, "sid": self.sid}, content=body.encode()
        )


async def a_poller(http: httpx.AsyncClient) -> Poller:
    opened = await http.get("/socket.io/", params=POLLING)
    assert opened.status_code == 200, opened.text
    handshake = json.loads(opened.text.removeprefix("0"))
    assert {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"} <= handshake.keys()
    assert handshake["upgrades"] == ["websocket"]
    return Poller(http, handshake["sid"])


def ws_url(world: World) -> str:
    return world.system.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"


async def a_socket(world: World, token: str | None = None) -> ClientConnection:
    """A WebSocket, connected to the namespace if there is a token."""
    socket = await websockets.connect(ws_url(world))
    assert str(await socket.recv()).startswith("0{")
    if token is not None:
        await socket.send("40" + json.dumps({"token": token}))
        assert (await hear(socket)).startswith('40{"sid":')
    return socket


async def hear(socket: ClientConnection) -> str:
    """The next packet that says something: no ping, no noop."""
    while (said := str(await socket.recv())) in {"2", "6"}:
        pass
    return said


async def is_closed(socket: ClientConnection) -> bool:
    """Whether the server closes it, whatever it says before."""
    try:
        async with asyncio.timeout(10):
            while True:
                await socket.recv()
    except websockets.ConnectionClosed:
        return True


async def test_bad_handshakes_are_refused(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        for params in (
            {"transport": "polling"},
            {"EIO": "3", "transport": "polling"},
            {"EIO": "4"},
            {"EIO": "4", "transport": "abc"},
            {**POLLING, "sid": "zzz"},
            {"EIO": "4", "transport": "websocket"},
        ):
            answer = await http.get("/socket.io/", params=params)
            expected = 200 if params == {"EIO": "4"} else 400
            assert answer.status_code == expected, params
        assert (await http.post("/socket.io/", params=POLLING)).status_code == 400
        assert (await http.put("/socket.io/", params=POLLING)).status_code in {400, 405}


@pytest.mark.parametrize(
    "body", ["abc", "9", "", "4" + SEPARATOR, "0", "2", "bx=", "4" * 70_000, "4" + "[" * 9000], ids=range(9)
)
async def test_a_poll_with_a_malformed_packet_loses_its_connection(world: World, body: str) -> None:
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        poller, other = await a_poller(http), await a_poller(http)
        answer = await poller.post(body)
        assert answer.status_code == (200 if body == "" else 400), answer.text
        if body:
            assert (await poller.poll()).status_code == 400
        assert (await other.post("3")).status_code == 200


async def test_many_packets_in_a_poll_are_taken_and_too_many_refused(world: World) -> None:
    person = await world.somebody()
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        poller = await a_poller(http)
        connect = "40" + json.dumps({"token": person.token})
        sync = [f'42{number}["sync",{{}}]' for number in range(17)]
        assert (await poller.post(SEPARATOR.join([connect, *sync]))).status_code == 200
        said = (await poller.poll()).text.split(SEPARATOR)
        assert said[0].startswith('40{"sid":')
        assert len(said) == 18
        assert (await poller.post(SEPARATOR.join(['42["sync",{}]'] * 1000))).status_code == 400
        assert (await poller.poll()).status_code == 400


async def test_two_polls_at_once_close_the_connection(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        poller = await a_poller(http)
        answers = await asyncio.gather(poller.poll(), poller.poll())
        assert sorted(answer.status_code for answer in answers) == [200, 400]
        assert (await poller.poll()).status_code == 400


async def test_an_upgrade_keeps_the_connection_and_ends_its_polls(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        poller = await a_poller(http)
        socket = await websockets.connect(f"{ws_url(world)}&sid={poller.sid}")
        await socket.send("2probe")
        assert await socket.recv() == "3probe"
        await socket.send("5")
        assert (await poller.poll()).status_code == 400
        await socket.send("40{}")
        assert json.loads((await hear(socket))[2:])["data"] == {"code": "token_missing"}
        await socket.close()


@pytest.mark.parametrize(
    "said",
    [
        "4",
        "4abc",
        "49",
        '42["message:send"',
        "42{}",
        "42[]",
        "42[1]",
        '42["disconnect"]',
        '42["connect",{}]',
        "43",
        '43x["a"]',
        '44"x"',
        '4251-["x",{"_placeholder":true,"num":0}]extra',
        '4599-["x"]',
        "40{}",
        '42/other,["sync",{}]',
        "x",
        "4" + "2" * 100_000,
        "4" + "2" * 1_000_000,
        "4" + "[" * 9000,
        "42" + "[" * 9000,
    ],
    ids=range(21),
)
async def test_a_malformed_packet_closes_its_own_socket_only(world: World, said: str) -> None:
    person = await world.somebody()
    socket, other = await a_socket(world, person.token), await a_socket(world, person.token)
    await socket.send(said)
    assert await is_closed(socket)
    await other.send('427["sync",{}]')
    answer = json.loads((await hear(other)).removeprefix("437"))
    assert answer[0]["code"] == "validation_failed"
    await other.close()


async def test_a_token_in_the_header_of_the_handshake_is_as_good_as_one_in_auth(world: World) -> None:
    person, other = await world.somebody(), await world.somebody()
    bearer = {"Authorization": f"Bearer {person.token}"}
    async with websockets.connect(ws_url(world), additional_headers=bearer) as socket:
        assert str(await socket.recv()).startswith("0{")
        await socket.send("40")
        assert (await hear(socket)).startswith('40{"sid":')
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        opened = await http.get("/socket.io/", params=POLLING, headers=bearer)
        poller = Poller(http, json.loads(opened.text.removeprefix("0"))["sid"])
        await poller.post("40")
        assert (await poller.poll()).text.startswith('40{"sid":')
    async with websockets.connect(ws_url(world), additional_headers=bearer) as socket:
        assert str(await socket.recv()).startswith("0{")
        # What is said in `auth` counts where both are.
        await socket.send("40" + json.dumps({"token": other.token + "x"}))
        assert json.loads((await hear(socket)).removeprefix("44"))["data"] == {"code": "token_invalid"}


async def test_an_event_before_connecting_closes_and_an_unknown_namespace_is_told(world: World) -> None:
    socket = await a_socket(world)
    await socket.send("40/nowhere,{}")
    assert await hear(socket) == '44/nowhere,{"message":"Invalid namespace"}'
    await socket.send('42["sync",{}]')
    assert await is_closed(socket)


async def test_what_is_no_event_of_ours_and_what_carries_bytes_is_refused_politely(world: World) -> None:
    person = await world.somebody()
    socket = await a_socket(world, person.token)
    answers: list[Any] = []
    packets: list[list[str | bytes]] = [
        ['421["nothing:such",{}]'],
        ['451-2["message:send",{"_placeholder":true,"num":0}]', b"\x01\x02"],
        ['423["sync",{},{}]'],
        ['424["sync","\\u0000"]'],
    ]
    for said in packets:
        for part in said:
            await socket.send(part)
        answers.append(json.loads((await hear(socket))[3:])[0])
    assert [answer["code"] for answer in answers] == [
        "not_found",
        "validation_failed",
        "validation_failed",
        "validation_failed",
    ]
    await socket.close()


async def test_who_says_nothing_or_never_sends_what_was_announced_is_closed(world: World) -> None:
    person = await world.somebody()
    silent, stranger = await a_socket(world), await a_socket(world, person.token)
    await stranger.send('451-["sync",{"_placeholder":true,"num":0}]')
    assert await is_closed(silent)
    assert await is_closed(stranger)


async def test_a_flood_is_told_so_and_holds_up_nobody(world: World) -> None:
    person, other = await world.somebody(), await world.somebody()
    socket, calm = await a_socket(world, person.token), await a_socket(world, other.token)
    for number in range(400):
        await socket.send(f'42{number}["sync",{{}}]')
    await calm.send('421["sync",{}]')
    assert "validation_failed" in (await hear(calm))
    codes = [
        json.loads((await hear(socket)).partition("[")[2].rpartition("]")[0])["code"] for _ in range(400)
    ]
    assert codes[0] == "validation_failed"
    assert codes.count("rate_limited") > 50
    for one in (socket, calm):
        await one.close()


@pytest.mark.parametrize("said", ["43", '42["sync",{}]'], ids=["acknowledgements", "events"])
async def test_who_never_stops_is_closed(world: World, said: str) -> None:
    person = await world.somebody()
    socket = await a_socket(world, person.token)
    with contextlib.suppress(websockets.ConnectionClosed):
        for number in range(2000):
            await socket.send(said if said != "43" else f"43{number}[]")
    assert await is_closed(socket)


async def test_whoever_tries_token_after_token_is_closed(world: World) -> None:
    socket = await a_socket(world)
    for _ in range(5):
        await socket.send('40{"token":"x.y.z"}')
        assert json.loads((await hear(socket)).removeprefix("44"))["data"] == {"code": "token_invalid"}
    await socket.send('40{"token":"x.y.z"}')
    assert await is_closed(socket)


async def test_a_reader_who_does_not_read_is_given_up_and_nobody_else_waits(world: World) -> None:
    shop, client = await world.a_business(), await world.a_client()
    opened = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(shop.id)})
    talk = opened.promised(201).answer["id"]
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        deaf = await a_poller(http)
        await deaf.post("40" + json.dumps({"token": shop.owner.token}))
        path = f"/v1/chat/conversations/{talk}/messages"
        for number in range(150):
            body = {"text": "x" * 4000, "client_message_id": str(number)}
            (await client.ask("POST", path, body)).promised(201)
            read = {"seq": number + 1}
            await shop.owner.ask("PUT", f"/v1/chat/conversations/{talk}/read", read)
        await until(deaf.poll, lambda answer: answer.status_code == 400)
