"""What talking costs: sending and showing, idle sockets, messages to 200 members, lists, ends of sessions."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import quantiles
from time import time
from typing import Any, Final
from uuid import UUID

import asyncpg
import psutil

from tests.bench.figures import Figure
from tests.bench.load import measure, request
from tests.chat.javascript import NODE, SCRIPT, Program, a_program
from tests.flows.minted import tokens_of
from tests.flows.systems import Stores, System, Zygote, system_on
from tests.servers import Servers
from turnosya.app import SERVICES
from turnosya.embedded.ports import free_port
from turnosya.runtime.ids import new_id
from turnosya.tour.answers import Tokens
from turnosya.tour.client import Api
from turnosya.tour.people import Person, sign_up

WRITERS, A_SECOND, SECONDS = 16, 200, 8
IDLE, MEMBERS, FLOODERS, EACH = 1000, 200, 8, 25
CONVERSATIONS, LIST_S = 2000, 3.0
SESSIONS = 6
_SETTLED_S, _WITHIN_S = 2.0, 90.0
_GROUP: Final = "Talking"

_SHOP = """
    INSERT INTO shops (id, version, name, timezone, owner_id, people, is_open)
    VALUES ($1, 1, 'El Salón', 'America/Argentina/Buenos_Aires', $2, $3, true)
"""
_TALK = "INSERT INTO conversations (id, business_id, client_id, client_name) VALUES ($1, $2, $3, 'Clara')"
_MANY = """
    WITH made AS (
        INSERT INTO conversations (id, business_id, client_id, client_name, last_seq, last_at)
        SELECT gen_random_uuid(), $1, gen_random_uuid(), 'Clara', 20, now() - number * interval '1 minute'
        FROM generate_series(1, $2) AS number RETURNING id
    )
    INSERT INTO messages (conversation_id, seq, id, kind, text, sent_at)
    SELECT id, seq, gen_random_uuid(), 'person', 'Hola, ¿hay lugar mañana?', now()
    FROM made, generate_series(1, 20) AS seq
"""


async def figures(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """A gateway, two copies of chat, and the rest in one process; then the same load on plain servers."""
    folder.mkdir()
    with (
        servers.private("rabbitmq") as broker,
        servers.private("postgres") as postgres,
        servers.private("redis") as redis,
    ):
        rest = tuple(name for name in SERVICES if name not in {"gateway", "chat"})
        system = system_on(
            Stores(postgres.url, redis.url, broker.url),
            [("gateway",), ("chat",), ("chat",), rest],
            zygote,
            folder,
            is_hurried=False,
        )
        try:
            await system.start()
            async for figure in _ours(system):
                yield figure
        finally:
            await system.stop()
    for name, command in (
        ("python-socketio", [sys.executable, "-m", "tests.bench.plain_socketio"]),
        ("Node's socket.io", [str(NODE), str(SCRIPT.with_name("plain.mjs"))]),
    ):
        async for figure in _plain(name, command):
            yield figure


async def _ours(system: System) -> AsyncGenerator[Figure]:
    for measured in (_writes, _list, _ends, _idle, _flood):
        async for figure in measured(system):
            yield figure


@dataclass(frozen=True, slots=True)
class _Shop:
    """A business, who works there, and its conversations by client."""

    people: list[UUID]
    talks: dict[UUID, UUID]


async def _shop(system: System, *, people: int, clients: int) -> _Shop:
    """Chat is told of it as if business had told it."""
    shop_id, members = new_id(), [new_id() for _ in range(people)]
    talks = {new_id(): new_id() for _ in range(clients)}
    connection = await asyncpg.connect(system.databases["chat"])
    try:
        await connection.execute(_SHOP, shop_id, members[0], members)
        rows = [(talk, shop_id, client) for client, talk in talks.items()]
        await connection.executemany(_TALK, rows)
    finally:
        await connection.close()
    return _Shop(members, talks)


async def _open(
    load: Program, system: System, people: Sequence[UUID], *, copy: str | None = None
) -> dict[str, str]:
    """A socket for each, on one copy if it is named; the copies by person."""
    tokens = await tokens_of(system, people)
    where = {} if copy is None else {"copy": copy}
    wanted = [{"name": str(one), "token": token, **where} for one, token in zip(people, tokens, strict=True)]
    found = await load.ask({"open": wanted, "url": system.url}, within_s=_WITHIN_S)
    copies: dict[str, str] = found["open"]
    return copies


async def _writes(system: System) -> AsyncGenerator[Figure]:
    """Each client writes in a conversation of their own on one copy, the owner reads all on the other."""
    shop = await _shop(system, people=1, clients=WRITERS)
    [owner], clients = shop.people, list(shop.talks)
    async with a_program("load.mjs") as load:
        here = (await _open(load, system, [owner]))[str(owner)]
        there = await _other_copy(load, system, here)
        await _open(load, system, clients, copy=there)
        talks = {str(client): str(talk) for client, talk in shop.talks.items()}
        order = {"talks": talks, "reader": str(owner), "a_second": A_SECOND}
        await load.ask({"write": {**order, "seconds": 1}}, within_s=_WITHIN_S)
        found = await load.ask({"write": {**order, "seconds": SECONDS}}, within_s=_WITHIN_S)
    assert found["refused"] == []
    assert len(found["shown_ms"]) == A_SECOND * SECONDS
    for name, times, promised in (
        ("a message, sent to stored and acknowledged", found["acknowledged_ms"], 50),
        ("a message, sent to shown by another copy", found["shown_ms"], 100),
    ):
        cuts = quantiles(times, n=100)
        more = f"p50 {cuts[49]:.1f}, longest {max(times):.0f}"
        yield Figure(_GROUP, f"{name}, {A_SECOND}/s, p99", cuts[98], "ms", promised, more)


async def _other_copy(load: Program, system: System, copy: str) -> str:
    """The name of the one that is not this one."""
    for _ in range(30):
        [found] = (await _open(load, system, [new_id()])).values()
        if found != copy:
            return found
    raise AssertionError("one copy gets no sockets")


async def _list(system: System) -> AsyncGenerator[Figure]:
    """What the owner of a business with 2,000 conversations sees first, and the longest page."""
    shop = await _shop(system, people=1, clients=1)
    connection = await asyncpg.connect(system.databases["chat"])
    try:
        shop_id = await connection.fetchval("SELECT id FROM shops WHERE owner_id = $1", shop.people[0])
        await connection.execute(_MANY, shop_id, CONVERSATIONS - 1)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    [token] = await tokens_of(system, shop.people)
    for limit in (20, 100):
        asked = request("GET", f"/v1/chat/conversations?limit={limit}", token=token)
        found = await measure(system.url, [repeat(asked)], status=200, within_s=LIST_S, warm=5)
        name = f"the list of {CONVERSATIONS:,} conversations, a page of {limit}, p99"
        more = f"p50 {found.p50:.1f} ms, {len(found.times_ms)} times"
        yield Figure(_GROUP, name, found.p99, "ms", 300, more)


async def _ends(system: System) -> AsyncGenerator[Figure]:
    """From the call that ends a session to the end of its socket on the copy that is told last."""
    took: dict[str, list[float]] = {"logged out": [], "token reused": []}
    async with Api(system.url) as api, a_program("load.mjs") as load:
        for number in range(SESSIONS):
            for what, times in took.items():
                person = await sign_up(api, f"{what} {number}")
                await person.log_in("bench")
                names = await _on_both_copies(load, system, person)
                began = time()
                await (_logs_out if what == "logged out" else _is_robbed)(person)
                ended = await load.ask({"ends": names}, within_s=_WITHIN_S)
                times.append(max(ended["ended_at_ms"].values()) / 1000 - began)
    for what, times in took.items():
        more = f"the quickest {min(times) * 1000:.0f}, of {SESSIONS}"
        name = f"sockets on both copies end, {what}, the last of them"
        yield Figure(_GROUP, name, max(times) * 1000, "ms", 1000, more)


async def _on_both_copies(load: Program, system: System, person: Person) -> list[str]:
    names: list[str] = []
    copies: set[str] = set()
    while len(copies) < 2:
        assert len(names) < 30, "one copy gets no sockets"
        names.append(f"{person.id} {len(names)}")
        wanted = [{"name": names[-1], "token": person.token}]
        found = await load.ask({"open": wanted, "url": system.url}, within_s=_WITHIN_S)
        copies.update(found["open"].values())
    return names


async def _logs_out(person: Person) -> None:
    (await person.ask("POST", "/v1/auth/logout")).promised(204)


async def _is_robbed(person: Person) -> None:
    """Somebody uses a refresh token of theirs a second time."""
    assert person.tokens is not None
    stolen = {"refresh_token": person.tokens.refresh_token}
    fresh = (await person.api.ask("POST", "/v1/auth/refresh", stolen)).promised(200).as_(Tokens)
    own = {"refresh_token": fresh.refresh_token}
    (await person.api.ask("POST", "/v1/auth/refresh", own)).promised(200)
    (await person.api.ask("POST", "/v1/auth/refresh", stolen)).promised(401)


async def _idle(system: System) -> AsyncGenerator[Figure]:
    """A thousand people who are there, on both copies together."""
    people = [new_id() for _ in range(IDLE)]
    copies = [one for one in system.processes if one.names == ("chat",)]
    parts = {"chat": copies, "gateway": [system.process_of("gateway")]}
    async with a_program("load.mjs") as load:
        before = {name: _memory(one.pid for one in processes) for name, processes in parts.items()}
        await _open(load, system, people)
        await asyncio.sleep(_SETTLED_S)
        grown = {
            name: (_memory(one.pid for one in processes) - before[name]) / IDLE / 1024
            for name, processes in parts.items()
        }
    more = f"and {grown['gateway']:.1f} of the gateway"
    yield Figure(
        _GROUP, f"memory of one of {IDLE:,} idle sockets, ours, two copies", grown["chat"], "KiB", None, more
    )


def _memory(pids: Any) -> int:  # noqa: ANN401 - any of them may have ended, which is a failure
    return sum(psutil.Process(pid).memory_info().rss for pid in pids)


async def _flood(system: System) -> AsyncGenerator[Figure]:
    """Eight of them write, each the next one when the last is acknowledged, and all see all of it."""
    shop = await _shop(system, people=MEMBERS - 1, clients=1)
    [(client, talk)] = shop.talks.items()
    members = [client, *shop.people]
    async with a_program("load.mjs") as load:
        await _open(load, system, members)
        yield await _shown_a_second(load, [str(one) for one in members], str(talk), "ours, two copies")


async def _shown_a_second(load: Program, names: Sequence[str], talk: str, whose: str) -> Figure:
    order = {"talk": talk, "names": names[:FLOODERS], "each": EACH}
    found = await load.ask({"flood": order}, within_s=_WITHIN_S)
    assert found["shown"] == FLOODERS * EACH * len(names)
    a_second = found["shown"] / found["seconds"]
    more = f"{FLOODERS * EACH} messages in {found['seconds']:.2f} s"
    return Figure(_GROUP, f"a message to {MEMBERS} members, {whose}", a_second, "shown a second", None, more)


async def _plain(name: str, command: Sequence[str]) -> AsyncGenerator[Figure]:
    """The same sockets and the same load on a server that keeps nothing and knows nobody."""
    async with _serving(command) as (url, pid):
        async with a_program("load.mjs") as load:
            before = _memory([pid])
            wanted = [{"name": str(number), "token": "x"} for number in range(IDLE)]
            await load.ask({"open": wanted, "url": url}, within_s=_WITHIN_S)
            await asyncio.sleep(_SETTLED_S)
            grown = (_memory([pid]) - before) / IDLE / 1024
        yield Figure(_GROUP, f"memory of one of {IDLE:,} idle sockets, plain {name}", grown, "KiB")
        async with a_program("load.mjs") as load:
            wanted = [{"name": str(number), "token": "x"} for number in range(MEMBERS)]
            await load.ask({"open": wanted, "url": url}, within_s=_WITHIN_S)
            names = [one["name"] for one in wanted]
            yield await _shown_a_second(load, names, "talk", f"plain {name}")


@asynccontextmanager
async def _serving(command: Sequence[str]) -> AsyncGenerator[tuple[str, int]]:
    """Where a plain server listens, and its process."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(*command, str(port))
    try:
        async with asyncio.timeout(_WITHIN_S):
            while not await _listens(port):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
