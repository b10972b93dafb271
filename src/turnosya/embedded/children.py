"""A server as a child process: started without privileges, watched, started again, stopped in order."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import psutil
import structlog

from turnosya.embedded.folder import EmbeddedError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# Debian's "nobody": owns no file of the machine, exists everywhere.
NOBODY = 65534
START_TIMEOUT_S = 60.0  # crash recovery after a kill under load took 2 s; a slow disk takes longer
STOP_TIMEOUT_S = 10.0
POLL_S = 0.02
# A child that died five times within a minute will not be saved by a sixth start.
RESTARTS_ALLOWED, RESTARTS_WINDOW_S = 5, 60.0

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger()


class Server(Protocol):
    """What a child runs: how it is prepared, started, asked for life and told to stop."""

    name: str
    log_path: Path
    stop_signal: signal.Signals

    async def prepare(self) -> None:
        """Once before the first start: versions, left-overs of a killed run, first data."""
        ...

    def remains(self) -> list[psutil.Process]:
        """Processes of an earlier life of this server that still run on its data."""
        ...

    def clear_the_way(self) -> None:
        """Before each start, when nothing remains: what a dead life left that would refuse a new one."""
        ...

    def command(self) -> Sequence[str]:
        """The program and its arguments; the same port every time."""
        ...

    async def answers(self) -> bool:
        """Does it take requests now?"""
        ...


class Child:
    """One server, kept running until ``stop``; ``died`` gets a sentence when it can't be."""

    def __init__(self, server: Server, died: asyncio.Future[str]) -> None:
        self._server = server
        self._died = died
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._restarts: deque[float] = deque(maxlen=RESTARTS_ALLOWED)
        self._log_began = 0

    async def start(self) -> None:
        """Prepare, start, and return once the server answers."""
        await end_processes(self._server.remains, self._server.stop_signal)
        self._server.clear_the_way()
        await self._server.prepare()
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_alive(), name=f"embedded-{self._server.name}")

    async def stop(self) -> None:
        """Ask it to stop, insist after ten seconds; nothing to do if it never ran."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._process is None or self._process.returncode is not None:
            return
        for how in (self._server.stop_signal, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                self._process.send_signal(how)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
                return
            log.warning("embedded_server_slow_to_stop", server=self._server.name, signal=how.name)

    async def _keep_alive(self) -> None:
        while not self._died.done():
            if self._process is not None:
                exit_code = await self._process.wait()
                log.error(
                    "embedded_server_died",
                    server=self._server.name,
                    exit_code=exit_code,
                    why=_known_reason(_written(self._server.log_path, self._log_began))
                    or f"see {self._server.log_path}",
                )
            await self._start_again()

    async def _start_again(self) -> None:
        now = time.monotonic()
        if len(self._restarts) == RESTARTS_ALLOWED and now - self._restarts[0] < RESTARTS_WINDOW_S:
            if not self._died.done():
                self._died.set_result(
                    f"The embedded {self._server.name} died {RESTARTS_ALLOWED} times within "
                    f"{RESTARTS_WINDOW_S:.0f} s: see {self._server.log_path}."
                )
            return
        # At once the first time, then with growing pauses: 0.1, 0.2, 0.4, 0.8 s.
        recent = sum(now - at < RESTARTS_WINDOW_S for at in self._restarts)
        await asyncio.sleep(0.05 * 2**recent if recent else 0)
        self._restarts.append(now)
        try:
            await end_processes(self._server.remains, signal.SIGKILL)
            self._server.clear_the_way()
            await self._spawn()
        except EmbeddedError as error:
            log.error("embedded_server_not_restarted", server=self._server.name, reason=str(error))  # noqa: TRY400 the sentence says it all
        else:
            took_ms = round((time.monotonic() - now) * 1000)
            log.warning("embedded_server_restarted", server=self._server.name, took_ms=took_ms)

    async def _spawn(self) -> None:
        before = self._log_began = log_size(self._server.log_path)
        self._process = await spawn(self._server.command(), self._server.log_path, self._server.stop_signal)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._server.answers():
                    if self._process.returncode is not None:
                        raise EmbeddedError(why_it_failed(self._server.name, self._server.log_path, before))
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            self._process.kill()
            name, log_path = self._server.name, self._server.log_path
            message = f"{name} did not answer within {START_TIMEOUT_S:.0f} s: see {log_path}."
            raise EmbeddedError(message) from None


async def spawn(
    command: Sequence[str],
    log_path: Path,
    death_signal: signal.Signals,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start ``command`` in a session of its own (Ctrl-C does not reach it), output appended to the log.

    It gets ``death_signal`` when this process dies, and knows nothing of our environment but ``PATH``.
    """
    try:
        output = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        message = (
            f"{log_path} cannot be written ({error.strerror}): set TURNOSYA_DATA_DIR to a folder of yours."
        )
        raise EmbeddedError(message) from error
    try:
        return await asyncio.create_subprocess_exec(
            *unprivileged(command, death_signal),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**clean_environment(), **(environment or {})},
        )
    finally:
        os.close(output)


async def run_to_end(command: Sequence[str], log_path: Path) -> int:
    """Run ``command`` like a child and give its exit code; it does not outlive a cancelled caller."""
    process = await spawn(command, log_path, signal.SIGKILL)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def unprivileged(command: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """``command`` without root's powers, ending with ``death_signal`` when this process dies.

    PostgreSQL refuses to run as root. As root it becomes "nobody" and keeps only ``dac_override``, the right
    to pass a folder of mode 0700, so neither the data folder's parents nor the users of the machine change.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig", death_signal.name[3:], "--", *command] if setpriv else list(command)
    if setpriv is None:
        message = (
            "As root the embedded servers need setpriv (util-linux): install it, or run as another user."
        )
        raise EmbeddedError(message)
    capability = "-all,+dac_override"
    return [
        setpriv,
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
        f"--bounding-set={capability}",
        f"--pdeathsig={death_signal.name[3:]}",
        "--",
        *command,
    ]


def clean_environment() -> Mapping[str, str]:
    """What a child may know: not our keys, not the user's language (its messages are read by us)."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}


async def end_processes(find: Callable[[], list[psutil.Process]], how: signal.Signals) -> None:
    """End what ``find`` finds with the signal ``how``, and without mercy after ten seconds."""
    for one_signal in (how, signal.SIGKILL):
        found = await asyncio.to_thread(find)
        if not found:
            return
        for process in found:
            log.warning("embedded_left_over_ended", pid=process.pid, signal=one_signal.name)
            with suppress(psutil.NoSuchProcess):
                process.send_signal(one_signal)
                # One that was stopped hears it only when it goes on.
                process.resume()
        # Asked again rather than waited for: a dead orphan may stay a zombie until somebody reaps it.
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while await asyncio.to_thread(find):  # noqa: ASYNC110 nothing tells when they are gone
                    await asyncio.sleep(POLL_S)


def working_in(folder: Path, program_names: frozenset[str]) -> list[psutil.Process]:
    """Processes named so whose working directory is ``folder``: the proof that they are ours."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() in program_names and process.cwd() == str(folder.resolve()):
                found.append(process)
    return found


def is_dead(pid: int, program_name: str) -> bool:
    """Whether no live process of that program has the number ``pid``: a zombie, a stranger, or nobody."""
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or process.name() != program_name
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def log_size(log_path: Path) -> int:
    """Bytes in the log so far: what comes after tells about this start."""
    return log_path.stat().st_size if log_path.exists() else 0


def why_it_failed(name: str, log_path: Path, since: int) -> str:
    """One sentence from what a program has written to its log after the first ``since`` bytes."""
    text = _written(log_path, since)
    known = _known_reason(text)
    if known is not None:
        return f"{name} did not start, {known} ({log_path})."
    telling = [line for line in text.splitlines() if "FATAL" in line or "error" in line.lower()]
    reason = (telling or text.splitlines() or ["it wrote nothing"])[-1].strip()
    return f"{name} did not start ({reason}): see {log_path}."


def _written(log_path: Path, since: int) -> str:
    """The end of what was written to the log after the first ``since`` bytes."""
    with log_path.open("rb") as file:
        file.seek(max(since, log_size(log_path) - 65536))
        return file.read().decode(errors="replace")


def _known_reason(text: str) -> str | None:
    full = "the disk is full: make room, or set TURNOSYA_DATA_DIR to another disk"
    locked = "the data folder cannot be written: set TURNOSYA_DATA_DIR to a folder of yours"
    known = {
        "No space left on device": full,
        "Disk quota exceeded": full,
        "Address already in use": "its port was taken by another program: start again",
        "Read-only file system": locked,
        "Permission denied": locked,
    }
    return next((meaning for sign, meaning in known.items() if sign in text), None)
