"""A system of the tour's own: all ten services on embedded servers, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import httpx

from turnosya.embedded.ports import free_port
from turnosya.tour.client import NotAsPromised

# The first start makes a database cluster; on a busy machine with a slow disk that takes its time.
_START_S = 60.0
_STOP_S = 25.0
_OK = 200


@dataclass(frozen=True, slots=True)
class OwnSystem:
    """Where it answers and where it keeps everything."""

    url: str
    folder: Path


@asynccontextmanager
async def own_system(*, keep: bool) -> AsyncGenerator[OwnSystem]:
    """Running for as long as the block lasts; its folder goes with it unless ``keep``."""
    # With the same permissions as any data folder of the embedded run: ours alone.
    folder = Path(tempfile.mkdtemp(prefix="turnosya-tour-"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "TURNOSYA_DATA_DIR": str(folder / "system"),
        "TURNOSYA_PORT": str(port),
        "TURNOSYA_OPERATIONS_PORT": str(free_port()),
        "TURNOSYA_LOG_LEVEL": "warning",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TURNOSYA_")}
    log_path = folder / "serve.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "turnosya", "serve"),
            env={**inherited, **settings},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C reaches only the tour, which then stops the system in order.
            start_new_session=True,
        )
    try:
        await _until_ready(url, process, log_path)
        yield OwnSystem(url, folder / "system")
    finally:
        await _stop(process)
        if not keep:
            rmtree(folder, ignore_errors=True)


async def _until_ready(url: str, process: asyncio.subprocess.Process, log_path: Path) -> None:
    try:
        async with asyncio.timeout(_START_S), httpx.AsyncClient(base_url=url) as http:
            while True:
                if process.returncode is not None:
                    raise NotAsPromised(f"the system did not start: {_last_line(log_path)}")
                with suppress(httpx.HTTPError):
                    if (await http.get("/readyz")).status_code == _OK:
                        return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise NotAsPromised(
            f"the system was not ready after {_START_S:.0f} s: {_last_line(log_path)}"
        ) from None


def _last_line(log_path: Path) -> str:
    lines = log_path.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
