"""The data folder of the embedded run: who may use it, its secrets, and what wrote its data."""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import pwd
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

KEY_NAMES = (
    "TURNOSYA_TOKEN_MAC_KEY",
    "TURNOSYA_OTP_PEPPER",
    "TURNOSYA_KEY_ENCRYPTION_KEY",
    "TURNOSYA_LINK_KEY",
    "TURNOSYA_MESSAGE_KEY",
)
# A new PostgreSQL folder takes 40 MiB and its first segments of log 32 MiB more; below this a first start
# would die half-way, and a later one at its first writes.
FREE_BYTES_NEEDED = 128 * 1024 * 1024
LOG_BYTES_KEPT = 4 * 1024 * 1024


class EmbeddedError(Exception):
    """Why the embedded servers cannot run: one sentence that says what to do."""


@dataclass(frozen=True, repr=False)
class Secrets:
    """What the data folder keeps to itself. ``keys`` are base64url, 32 bytes each."""

    keys: Mapping[str, str]
    postgres_password: str
    redis_password: str


class DataFolder:
    """A data folder that this process, and no other, has open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Generator[DataFolder]:
        """Make ``path`` (0700) if it is absent and hold its lock until the end."""
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EmbeddedError(why_not_writable(path, error)) from error
        try:
            _take(lock, path)
            _refuse_full_disk(path)
            yield cls(path)
        finally:
            os.close(lock)

    def secrets(self) -> Secrets:
        """The secrets of this folder, made on the first call of its life."""
        file = self.path / "secrets.json"
        if not file.exists():
            if any((self.path / name).exists() for name in ("postgres", "redis")):
                message = (
                    f"{file} is missing although there is data beside it: put it back, or empty {self.path}."
                )
                raise EmbeddedError(message)
            made = {name: _random_key() for name in KEY_NAMES}
            made |= {name: secrets.token_urlsafe(32) for name in ("postgres_password", "redis_password")}
            self.write("secrets.json", json.dumps(made, indent=2))
        kept = self._read_json("secrets.json")
        try:
            return Secrets(
                keys={name: kept[name] for name in KEY_NAMES},
                postgres_password=kept["postgres_password"],
                redis_password=kept["redis_password"],
            )
        except KeyError as error:
            message = f"{file} lacks {error.args[0]}: put back the file as it was, or empty {self.path}."
            raise EmbeddedError(message) from error

    def written_by(self, server: str) -> str | None:
        """Product and version ("PostgreSQL 18.6") that last wrote the data of ``server``."""
        return self._read_json("versions.json").get(server)

    def remember_writer(self, server: str, version: str) -> None:
        """Record that ``version`` writes the data of ``server`` from now on."""
        versions = self._read_json("versions.json")
        if versions.get(server) != version:
            self.write("versions.json", json.dumps({**versions, server: version}, indent=2))

    def write(self, name: str, text: str) -> None:
        """Replace the file ``name`` (0600) at once: whoever is killed meanwhile leaves the old one."""
        target, fresh = self.path / name, self.path / f"{name}.new"
        try:
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(target)
        except OSError as error:
            raise EmbeddedError(why_not_writable(target, error)) from error

    def log_file(self, server: str) -> Path:
        """Where ``server`` writes its log; an overgrown one makes room first."""
        logs = self.path / "logs"
        try:
            logs.mkdir(mode=0o700, exist_ok=True)
            log = logs / f"{server}.log"
            if log.exists() and log.stat().st_size > LOG_BYTES_KEPT:
                log.replace(log.with_suffix(".log.old"))
        except OSError as error:
            raise EmbeddedError(why_not_writable(logs, error)) from error
        return log

    def _read_json(self, name: str) -> dict[str, str]:
        file = self.path / name
        try:
            return cast("dict[str, str]", json.loads(file.read_text()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            message = f"{file} cannot be read ({error}): put back the file as it was, or empty {self.path}."
            raise EmbeddedError(message) from error


def _random_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _take(lock: int, path: Path) -> None:
    # The kernel drops the lock with the process, so a killed run leaves none; the children do not inherit it.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        message = (
            f"Another TurnosYa (process {holder or 'unknown'}) runs on the data in {path}: "
            "stop it, or set TURNOSYA_DATA_DIR to another folder."
        )
        raise EmbeddedError(message) from None
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except OSError as error:
        raise EmbeddedError(why_not_writable(path, error)) from error


def _refuse_full_disk(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < FREE_BYTES_NEEDED:
        left, needed = free // 2**20, FREE_BYTES_NEEDED // 2**20
        message = (
            f"The disk of {path} is nearly full ({left} MiB left, {needed} needed): "
            "make room, or set TURNOSYA_DATA_DIR to another disk."
        )
        raise EmbeddedError(message)


def why_not_writable(path: Path, error: OSError) -> str:
    """One sentence on an error that the file system gave at ``path``."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk of {path} is full: make room, or set TURNOSYA_DATA_DIR to another disk."
    nearest = next(place for place in (path, *path.parents) if place.exists())
    owner = nearest.stat().st_uid
    if error.errno in {errno.EACCES, errno.EPERM} and owner != os.geteuid():
        return (
            f"{nearest} belongs to {_name_of(owner)}, and TurnosYa runs as {_name_of(os.geteuid())}: "
            f"start it as {_name_of(owner)}, or set TURNOSYA_DATA_DIR to a folder of yours."
        )
    return f"{path} cannot be written ({error.strerror}): set TURNOSYA_DATA_DIR to a folder of yours."


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"the user id {user_id}"
