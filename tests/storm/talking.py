"""A storm among people who talk: two copies of chat, and all that carries their words dies in turn."""

import asyncio
import random
import signal
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from tests.chat.javascript import a_program
from tests.flows.minted import tokens_of
from tests.flows.systems import Launcher, Process, Stores, System, system_on
from tests.flows.world import insist
from tests.said import lines_that_tell
from tests.servers import PrivateServer, Servers
from tests.split.supervisor import Supervisor
from tests.storm.lines import Lines, lines_to
from turnosya.app import SERVICES
from turnosya.runtime.ids import new_id
from turnosya.tour.client import Api, trusted
from turnosya.tour.people import Person, open_shop, sign_up

PEOPLE, CLIENTS = 20, 4
EVERY_S = 2.0
SETTLED_WITHIN_S = 60.0
_WRITTEN_WITHIN_S = 600.0
_TRANSPORTS = (["polling", "websocket"], ["websocket"])


@dataclass(frozen=True, slots=True)
class TalkPlan:
    """How much is written, and how fast; the seed decides who writes where and what dies when."""

    seed: int
    messages: int = 5000
    a_second: float = 40.0

    @property
    def each(self) -> int:
        """How many messages one person writes."""
        return max(1, self.messages // PEOPLE)


@dataclass(frozen=True, slots=True)
class Strike:
    """Something was killed while people talked."""

    what: str
    stored: int
    """How many messages of this storm were there by then."""


@dataclass
class Found:
    """What a storm came to: nothing in ``wrong`` is a good one."""

    written: int
    took_s: float
    struck: list[Strike]
    comings: int
    wrong: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Talker:
    """Somebody with an account."""

    name: str
    id: UUID


@dataclass
class Hall:
    """A business with many people and some of its clients, whose apps go through lines that can be cut."""

    system: System
    lines: Lines
    supervisor: Supervisor
    servers: Mapping[str, PrivateServer]
    people: list[Talker]
    talks: dict[str, frozenset[UUID]]
    """The members of each conversation."""

    @property
    def copies(self) -> list[Process]:
        """Those of chat."""
        return [process for process in self.system.processes if process.names == ("chat",)]

    def talks_of(self, person: Talker) -> list[str]:
        return [talk for talk, members in self.talks.items() if person.id in members]


@asynccontextmanager
async def a_hall(
    servers: Servers,
    launcher: Launcher,
    folder: Path,
    *,
    database_url: str,
    say: Callable[[str], None],
) -> AsyncGenerator[Hall]:
    """A running system with two copies of chat, and twenty people who have conversations."""
    with servers.private("rabbitmq") as rabbitmq, servers.private("redis") as redis:
        stores = Stores(database_url, redis.url, f"{rabbitmq.url}main")
        rest = tuple(name for name in SERVICES if name not in {"gateway", "chat"})
        system = system_on(stores, [("gateway",), ("chat",), ("chat",), rest], launcher, folder)
        try:
            await system.start()
            async with Api(system.url) as api, lines_to(system.url) as lines:
                people, talks = await _people(api, system)
                await system.until_settled()
                named = {"rabbitmq": rabbitmq, "redis": redis}
                supervisor = Supervisor(system, named, say)
                async with _beside(supervisor.watch()):
                    yield Hall(system, lines, supervisor, named, people, talks)
        finally:
            await system.stop()
        told = list(chain.from_iterable(lines_that_tell(log.read_text()) for log in sorted(system.logs)))
        assert told == [], told[:20]


async def _people(api: Api, system: System) -> tuple[list[Talker], dict[str, frozenset[UUID]]]:
    """A business of sixteen with four clients. Chat is told who works there as business would tell it."""
    signed_up: list[Person] = []
    for number in range(CLIENTS + 1):
        person = await insist(partial(sign_up, api, f"Persona {number}"))
        await insist(partial(person.log_in, "storm"))
        signed_up.append(person)
    owner, *clients = signed_up
    shop = await open_shop(owner, "El Salón")
    staff = [new_id() for _ in range(PEOPLE - CLIENTS - 1)]
    talks: dict[str, frozenset[UUID]] = {}
    for client in clients:
        opened = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(shop.id)})
        talks[str(opened.promised(201).answer["id"])] = frozenset({client.id, owner.id, *staff})
    await system.rows("chat", "UPDATE shops SET people = people || $1::uuid[]", staff)
    ids = [*(person.id for person in signed_up), *staff]
    return [Talker(f"Persona {number}", user_id) for number, user_id in enumerate(ids)], talks


async def talk_in_a_storm(hall: Hall, plan: TalkPlan) -> Found:
    """Everybody writes while all dies in turn; then each has every message of theirs once, in its place."""
    await _until_whole(hall)
    began, struck = monotonic(), list[Strike]()
    # A token lives for a quarter of an hour, and storms may follow each other for longer.
    tokens = await tokens_of(hall.system, [person.id for person in hall.people])
    async with a_program("talkers.mjs") as apps:
        people = [
            {
                "name": person.name,
                "token": token,
                "transports": _TRANSPORTS[number % 2],
                "talks": hall.talks_of(person),
            }
            for number, (person, token) in enumerate(zip(hall.people, tokens, strict=True))
        ]
        await apps.ask({"url": hall.lines.url, "people": people}, within_s=SETTLED_WITHIN_S)
        before = await _rows(hall)
        pause_ms = PEOPLE / plan.a_second * 1000
        order = {"write": {"each": plan.each, "pause_ms": pause_ms, "seed": plan.seed}}
        async with _beside(_strike(hall, plan.seed, struck, before=len(before))):
            written = (await apps.ask(order, within_s=_WRITTEN_WITHIN_S))["written"]
        took_s = monotonic() - began
        rows = await _rows(hall)
        expected = Counter(talk for talk, _ in rows)
        wrong = list(_acknowledged(written, rows, before))
        try:
            await apps.ask({"expect": dict.fromkeys(hall.talks, 0) | expected}, within_s=SETTLED_WITHIN_S)
        except TimeoutError:
            wrong.append(f"not everybody has everything {SETTLED_WITHIN_S:.0f} s after the storm")
        told = (await apps.ask({"tell": True}, within_s=SETTLED_WITHIN_S))["apps"]
    wrong += [sentence for name, app in told.items() for sentence in _seen(name, app, rows)]
    comings = sum(app["comings"] for app in told.values())
    return Found(len(written), took_s, struck, comings, wrong)


Rows = dict[tuple[str, int], tuple[str, str]]
"""Id and the sender's own id of each message, by conversation and number."""


async def _rows(hall: Hall) -> Rows:
    found = await hall.system.rows(
        "chat", "SELECT conversation_id, seq, id, client_message_id FROM messages WHERE kind = 'person'"
    )
    return {
        (str(row["conversation_id"]), row["seq"]): (str(row["id"]), row["client_message_id"]) for row in found
    }


def _acknowledged(written: Mapping[str, list[Any]], rows: Rows, before: Rows) -> Iterable[str]:
    """What was acknowledged is there, once, and nothing else has come."""
    for own, (talk, seq, message_id) in written.items():
        if rows.get((talk, seq)) != (message_id, own):
            yield f"{own} was acknowledged as {seq} and is {rows.get((talk, seq))}"
    if len(rows) - len(before) != len(written):
        yield f"{len(written)} messages were written and {len(rows) - len(before)} are there"
    for talk in {talk for talk, _ in rows}:
        numbers = sorted(seq for where, seq in rows if where == talk)
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"conversation {talk} has a gap or a double"


def _seen(name: str, app: Mapping[str, Any], rows: Rows) -> Iterable[str]:
    yield from (f"{name}: {sentence}" for sentence in app["wrong"])
    for talk, lines in app["talks"].items():
        has = {(talk, seq): (message_id, own) for seq, message_id, own in lines}
        wanted = {key: value for key, value in rows.items() if key[0] == talk}
        if has != wanted:
            yield f"{name} has {len(has)} messages of {len(wanted)} in {talk}, or others than are there"


# --- what dies


KINDS = ("chat", "connection", "redis", "rabbitmq")


def _order(seed: int, chance: random.Random) -> Iterator[str]:
    """Endless rounds, in each of which everything dies once; four seeds in a row begin with each kind."""
    yield KINDS[seed % len(KINDS)]
    while True:
        kinds = list(KINDS)
        chance.shuffle(kinds)
        yield from kinds


async def _strike(hall: Hall, seed: int, struck: list[Strike], *, before: int) -> None:
    """Every two seconds the next; for what has not come back since its last death, a connection."""
    chance = random.Random(seed)
    for what in _order(seed, chance):
        await asyncio.sleep(EVERY_S)
        stored = len(await _rows(hall)) - before
        if await _is_struck(hall, what, chance):
            struck.append(Strike(what, stored))
        else:
            hall.lines.cut(chance)
            struck.append(Strike("connection", stored))


async def _is_struck(hall: Hall, what: str, chance: random.Random) -> bool:
    if what == "connection":
        hall.lines.cut(chance)
        return True
    if what == "chat":
        there = [copy for copy in hall.copies if await _is_ready(copy)]
        return bool(there) and chance.choice(there).signal(signal.SIGKILL)
    server = hall.servers[what]
    if not await asyncio.to_thread(_listens, server.url):
        return False
    await asyncio.to_thread(server.kill)
    return True


async def _until_whole(hall: Hall) -> None:
    """What died in the storm before is back."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while not await _is_whole(hall):  # noqa: ASYNC110 - nobody tells when a server is back
            await asyncio.sleep(0.1)


async def _is_whole(hall: Hall) -> bool:
    for server in hall.servers.values():
        if not await asyncio.to_thread(_listens, server.url):
            return False
    return all([await _is_ready(process) for process in hall.system.processes])


async def _is_ready(copy: Process) -> bool:
    with suppress(httpx.HTTPError):
        async with httpx.AsyncClient(verify=trusted()) as http:
            return (await http.get(f"http://127.0.0.1:{copy.operations_port}/readyz", timeout=2)).is_success
    return False


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    with suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1):
        return True
    return False


@asynccontextmanager
async def _beside(work: Any) -> AsyncGenerator[None]:  # noqa: ANN401 - a coroutine of any kind
    """Goes on until the block ends; what it fails with is raised."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
