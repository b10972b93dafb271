"""Running systems in the three forms that one may choose, each on stores of its own, ended by the run."""

import asyncio
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import asyncpg
import httpx

from tests.flows.zygote import ENDED
from tests.servers import NAMED_IN, WORKER, Servers
from turnosya.app import SERVICES, queues
from turnosya.embedded.ports import FIRST, LAST, free_port
from turnosya.runtime.redis import open_redis
from turnosya.tour.client import trusted

START_S = 40.0
SETTLE_S = 20.0
# With it a provider of messages signs what it tells the webhook.
APP_SECRET = "what the provider of these systems signs with"
KEYS = ("TOKEN_MAC_KEY", "OTP_PEPPER", "KEY_ENCRYPTION_KEY", "LINK_KEY", "MESSAGE_KEY")
# Each alone, and the rest together.
ALONE = ("auth", "users", "business", "turnos", "notification", "gateway")
REST = tuple(name for name in SERVICES if name not in ALONE)


# Ports are given out seconds before a process listens there: each worker draws from a part of its own, and
# none twice.
_PARTS = 17
_given: set[int] = set()


def own_port() -> int:
    """A free port that no other worker of this run is given."""
    part = int(WORKER.removeprefix("gw")) + 1 if WORKER.startswith("gw") else 0
    width = (LAST - FIRST) // _PARTS
    first = FIRST + width * (part % _PARTS)
    while (port := free_port(first, first + width - 1)) in _given:
        pass
    _given.add(port)
    return port


class Form(Enum):
    """How a system runs. The value is the number of its Redis database: nobody else's keys are there."""

    MEMORY = 12
    RABBITMQ = 13
    SPLIT = 14


class Failed(Exception):
    """A process of ours did not do as it should."""


@dataclass
class Process:
    """One process: what it serves and where."""

    names: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    port: int
    operations_port: int
    pid: int | None = None

    @property
    def name(self) -> str:
        """``turnos-2`` for the second copy of turnos; its log is called so."""
        return self.log.stem

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        return self.signal(0)

    def signal(self, number: int) -> bool:
        """Whether it was there to get it."""
        if self.pid is None:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    async def until_ready(self) -> None:
        address = f"http://127.0.0.1:{self.operations_port}/readyz"
        try:
            async with asyncio.timeout(START_S), httpx.AsyncClient(verify=trusted()) as http:
                while True:
                    with suppress(httpx.HTTPError):
                        if (await http.get(address)).is_success:
                            return
                    if not self.is_running:
                        raise Failed(f"{self.names} ended: {self.said()}")
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise Failed(f"{self.names} is not ready: {self.said()}") from None

    async def until_said(self, words: str) -> None:
        async with asyncio.timeout(START_S):
            while words not in self.said():  # noqa: ASYNC110 - it writes to a file, which tells nobody
                await asyncio.sleep(0.03)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3000:] if self.log.exists() else "nothing"


class Launcher(Protocol):
    """How processes of ours are started."""

    def fork(self, args: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """A process that runs the command line with these arguments; its id."""
        ...


class Zygote:
    """The process that all others are forked from."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "tests.flows.zygote"]
        self._process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def fork(self, args: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"args": list(args), "env": dict(env), "log": str(log)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@dataclass(frozen=True, slots=True)
class Stores:
    """Servers of a system, by their administrators' addresses; without a broker messages stay in memory."""

    database_url: str
    redis_url: str
    broker_url: str | None


@dataclass
class System:
    """A whole system; ``url`` is its gateway's."""

    form: Form
    launcher: Launcher
    processes: list[Process]
    databases: Mapping[str, str]
    """PostgreSQL by service, for audits."""
    folder: Path
    base: Mapping[str, str] = field(default_factory=dict[str, str])
    logs: set[Path] = field(default_factory=set[Path])
    """Of all processes that were ever started, copies that have ended among them."""

    @property
    def url(self) -> str:
        return self.process_of("gateway").url

    def process_of(self, service: str) -> Process:
        return next(one for one in self.processes if service in one.names)

    async def kill(self, service: str) -> None:
        """SIGKILL to the process in which it runs."""
        process = self.process_of(service)
        process.signal(signal.SIGKILL)
        await until_gone(process)

    @asynccontextmanager
    async def another(self, service: str, **settings: str) -> AsyncGenerator[Process]:
        """One more copy of the process in which it runs, for as long as the block lasts, set otherwise."""
        model = self.process_of(service)
        port, operations_port = own_port(), own_port()
        own = {"TURNOSYA_PORT": str(port), "TURNOSYA_OPERATIONS_PORT": str(operations_port)}
        log = self.folder / f"{service}-{port}.log"
        copy = Process(model.names, {**model.env, **own, **settings}, log, port, operations_port)
        self.launch(copy)
        try:
            await copy.until_ready()
            yield copy
        finally:
            copy.signal(signal.SIGTERM)
            await until_gone(copy)

    async def start_again(self, service: str) -> None:
        process = self.process_of(service)
        self.launch(process)
        await process.until_ready()
        await self.until_ready()

    def launch(self, process: Process) -> None:
        args = ["serve", *(process.names if self.form is Form.SPLIT else ())]
        self.logs.add(process.log)
        process.pid = self.launcher.fork(args, process.env, process.log)

    async def start(self) -> None:
        await self.command("migrate")
        for process in self.processes:
            self.launch(process)
        await asyncio.gather(*(process.until_ready() for process in self.processes))
        await self.until_ready()

    async def until_ready(self) -> None:
        """The gateway says so, and every service answers the others."""
        async with asyncio.timeout(START_S), httpx.AsyncClient(verify=trusted()) as http:
            while True:
                health = await http.get(f"{self.url}/v1/checks/health", timeout=10)
                if health.is_success and health.json()["status"] == "ok":
                    return
                await asyncio.sleep(0.05)

    async def command(self, *args: str) -> str:
        """Another command of ours on the same settings, to its end; what it said."""
        log = self.folder / f"{args[0]}-{secrets.token_hex(3)}.log"
        process = Process(args, self.base, log, 0, 0, self.launcher.fork(args, self.base, log))
        await until_gone(process)
        if not process.said().rstrip().endswith(f"{ENDED}0"):
            raise Failed(f"{args}: {process.said()}")
        return process.said()

    async def stop(self) -> None:
        for process in self.processes:
            process.signal(signal.SIGTERM)
        await asyncio.gather(*(until_gone(process) for process in self.processes))

    async def rows(self, service: str, query: str, *values: object) -> list[asyncpg.Record]:
        """What lies in a service's database."""
        connection = await asyncpg.connect(self.databases[service])
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def until_settled(self, *, within_s: float = SETTLE_S) -> None:
        """Every event was heard and every message sent; a dead letter fails.

        One after the other is looked at, and an event may meanwhile pass from one not yet looked at to
        one that was: two rounds in a row find nothing waiting, and that nothing was heard in between.
        What a broker holds is in no row: there the rounds are further apart.
        """
        pause_s = 0.05 if self.form is Form.MEMORY else 0.15
        async with asyncio.timeout(within_s), AsyncExitStack() as stack:
            looks: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
            for service, url in self.databases.items():
                looks[service] = await asyncpg.connect(url)
                stack.push_async_callback(looks[service].close)
            before: list[int | None] = []
            while True:
                heard = [await _heard(service, look) for service, look in looks.items()]
                queued = await looks["notification"].fetchval(
                    "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'queued')"
                )
                if not queued and None not in heard and heard == before:
                    return
                before = heard
                await asyncio.sleep(pause_s)


async def _heard(service: str, look: "asyncpg.Connection[asyncpg.Record]") -> int | None:
    """How many events a service has heard; None while something waits there."""
    found = await look.fetchrow(
        "SELECT (SELECT count(*) FROM outbox) AS told,"
        " (SELECT count(*) FROM inbox WHERE state = 'waiting') AS waiting,"
        " (SELECT count(*) FROM inbox) AS heard,"
        " (SELECT array_agg(hearer || ': ' || error) FROM inbox WHERE state = 'dead') AS dead"
    )
    assert found is not None
    if found["dead"]:
        raise Failed(f"{service} gave up: {found['dead']}")
    return None if found["told"] or found["waiting"] else int(found["heard"])


async def until_gone(process: Process) -> None:
    async with asyncio.timeout(START_S):
        while process.is_running:  # noqa: ASYNC110 - the kernel tells only its own parent
            await asyncio.sleep(0.005)


@asynccontextmanager
async def a_system(
    form: Form,
    servers: Servers,
    zygote: Zygote,
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    is_hurried: bool = True,
) -> AsyncGenerator[System]:
    """A system in one of the forms, ready; stopped at the end."""
    is_embedded = form is Form.MEMORY
    redis_url = servers.embedded_redis_url if is_embedded else servers.redis_url
    stores = Stores(
        servers.embedded_database_url if is_embedded else servers.database_url,
        urlunsplit(urlsplit(redis_url)._replace(path=f"/{form.value}")),
        None if is_embedded else _own_broker(servers),
    )
    await forget_keys(stores.redis_url)
    if stores.broker_url is not None:
        await forget_queues(stores.broker_url)
    groups = [(name,) for name in ALONE] + [REST] if form is Form.SPLIT else [tuple(SERVICES)]
    system = system_on(stores, groups, zygote, folder, form=form, settings=settings, is_hurried=is_hurried)
    try:
        await system.start()
        yield system
    finally:
        await system.stop()


def system_on(
    stores: Stores,
    groups: Sequence[tuple[str, ...]],
    launcher: Launcher,
    folder: Path,
    *,
    form: Form = Form.SPLIT,
    settings: Mapping[str, str] | None = None,
    is_hurried: bool = True,
    port: int | None = None,
) -> System:
    """A system that can be started: a process for each of the groups of services, copies among them.

    ``is_hurried`` makes every wait short and the log whole; what is measured runs as it is shipped. ``port``
    is where the first gateway listens; all other ports are free ones.
    """
    database_url, redis_url, broker_url = stores.database_url, stores.redis_url, stores.broker_url
    databases = {
        name: _own_database(database_url, name) for name, service in SERVICES.items() if service.migrations
    }
    base = {
        **_settings(),
        **(_HURRIED if is_hurried else {}),
        **(settings or {}),
        **({"TURNOSYA_BROKER_URL": broker_url} if broker_url else {}),
        "TURNOSYA_DATA_DIR": str(folder / "data"),
        "TURNOSYA_DATABASE_URL": database_url,
        "TURNOSYA_REDIS_URL": redis_url,
        **{f"TURNOSYA_{name.upper()}_DATABASE_URL": url for name, url in databases.items()},
        **{
            f"TURNOSYA_{name.upper()}_REDIS_URL": _own_redis(redis_url, name)
            for name, service in SERVICES.items()
            if service.redis
        },
    }
    copies: Counter[str] = Counter()
    processes: list[Process] = []
    for names in groups:
        copies[names[0]] += 1
        log = folder / f"{names[0]}-{copies[names[0]]}.log"
        processes.append(Process(names, {}, log, own_port(), own_port()))
    if port is not None:
        next(one for one in processes if "gateway" in one.names).port = port
    _give_settings(processes, base, is_split=form is Form.SPLIT)
    return System(form, launcher, processes, databases, folder, base)


# What a test cannot wait for, and whatever a process could ever say: `tests/said.py` looks through it for
# what no log may say.
_HURRIED: Mapping[str, str] = {
    "TESTS_CHEAP_PASSWORDS": "1",
    "TURNOSYA_LOG_LEVEL": "debug",
    "TURNOSYA_POLL_S": "0.2",
    "TURNOSYA_NOTIFICATION_POLL_S": "0.2",
    "TURNOSYA_RETRY_DELAYS_S": ",".join(["0.2"] * 60),
    "TURNOSYA_LEASE_S": "3",
    "TURNOSYA_JOBS_LEASE_S": "3",
    "TURNOSYA_JOBS_POLL_S": "0.2",
    "TURNOSYA_JOBS_RETRY_DELAYS_S": ",".join(["0.2"] * 60),
    "TURNOSYA_RELAY_LOCK_S": "2",
    "TURNOSYA_GATEWAY_DEAF_AFTER_S": "2",
    "TURNOSYA_SIGNING_KEYS_FRESH_S": "0.5",
    "TURNOSYA_CHAT_CONNECT_WITHIN_S": "3",
    "TURNOSYA_CHAT_TELL_AFTER_S": "0.5",
}


def _settings() -> dict[str, str]:
    keys = {f"TURNOSYA_{name}": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() for name in KEYS}
    return {
        **keys,
        "TURNOSYA_ENV": "development",
        "TURNOSYA_RATE_LIMITS": "off",
        "TURNOSYA_WHATSAPP_APP_SECRET": APP_SECRET,
    }


def _give_settings(processes: Sequence[Process], base: Mapping[str, str], *, is_split: bool) -> None:
    where = {name: "|".join(one.url for one in processes if name in one.names) for name in SERVICES}
    urls = ",".join(f"{name}={at}" for name, at in where.items() if name != "gateway")
    for process in processes:
        process.env = {
            **_of_these(base, process.names),
            "TURNOSYA_PORT": str(process.port),
            "TURNOSYA_OPERATIONS_PORT": str(process.operations_port),
            "TURNOSYA_PUBLIC_URL": next(one.url for one in processes if "gateway" in one.names),
            **({"TURNOSYA_SERVICE_URLS": urls} if is_split else {}),
        }


def _of_these(base: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The settings without the stores of others, and without an administrator's."""
    theirs = {
        f"TURNOSYA_{name.upper()}_{kind}_URL"
        for name in SERVICES
        for kind in ("DATABASE", "REDIS")
        if name not in names
    }
    return {
        name: value
        for name, value in base.items()
        if name not in theirs and name not in {"TURNOSYA_DATABASE_URL", "TURNOSYA_REDIS_URL"}
    }


def _own_broker(servers: Servers) -> str:
    # A virtual host for flows alone: the queues have the same names in every system.
    own = "" if os.environ.get(NAMED_IN["rabbitmq"]) else "-flows"
    return servers.broker_url + own


def _own_database(admin_url: str, service: str) -> str:
    name = f"flow_{service}_{secrets.token_hex(4)}"
    return _with(admin_url, name, path=f"/{name}")


def _own_redis(admin_url: str, service: str) -> str:
    return _with(admin_url, f"flow_{service}_{secrets.token_hex(4)}")


def _with(url: str, user: str, *, path: str | None = None) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{user}:{secrets.token_hex(16)}@{host}"
    return urlunsplit(parts._replace(netloc=netloc, path=parts.path if path is None else path))


async def forget_keys(url: str) -> None:
    """What an earlier system left in this database: it had other secrets."""
    client = open_redis(url)
    try:
        for name in SERVICES:
            keys = cast("AsyncIterator[bytes]", client.scan_iter(match=f"{name}:*", count=1000))  # pyright: ignore[reportUnknownMemberType]
            found = [key async for key in keys]
            if found:
                await client.delete(*found)
    finally:
        await client.aclose()


async def forget_queues(url: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        for queue in queues():
            await channel.queue_delete(queue)
