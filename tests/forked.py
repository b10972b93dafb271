"""Processes of a test's own, to be killed or frozen: forked from one that has made the imports once."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Coroutine
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.logs import log_plainly

_ENDS_WITHIN_S = 40.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.notification.hands_and_dies", "tests.turnos.closes_and_dies"])


def fork(main: Callable[[Any], Coroutine[Any, Any, None]], told: object, log: Path) -> BaseProcess:
    """A process that runs ``main(told)``, a function of a module of ours; what it says is in ``log``."""
    process = _context.Process(target=_run, args=(main, told, log))
    process.start()
    return process


async def code_of(process: BaseProcess) -> int | None:
    """How it ended, as of a subprocess: minus the number of the signal that killed it."""
    await asyncio.to_thread(process.join, _ENDS_WITHIN_S)
    return process.exitcode


def _run(main: Callable[[Any], Coroutine[Any, Any, None]], told: object, log: Path) -> None:
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    log_plainly()
    asyncio.run(main(told))
