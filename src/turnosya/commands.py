"""What the commands do that start, prepare or change a system."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import click
import psutil
import structlog
import uvloop

from turnosya import app
from turnosya.embedded import EmbeddedError
from turnosya.runtime.messages import NotFound
from turnosya.runtime.migrate import DataIsNewer
from turnosya.runtime.reaching import ServerAway
from turnosya.runtime.serving import (
    CannotListen,
    bind,
    listening,
    operations_app,
    plain_config,
    take_connections,
)
from turnosya.runtime.settings import Environment, ProcessSettings, SettingsWrong, load
from turnosya.runtime.telemetry import set_up_logging
from turnosya.services.notification import checking

log = structlog.get_logger()

_NOT_READY_AFTER_S = 5.0
# A thread that has hashed a password waits for its turn to say so: 5 ms, Python's own interval, was a quarter
# of its time beside a busy loop (log-ins 76–81 % of argon2's limit, 82–88 % with this; 2 cores, 2026-11-26).
_THREADS_TAKE_TURNS_S = 0.0005
_LOOK_S = 0.02


class PartDied(Exception):
    """Something this process needs ended and will not come back: whoever runs us starts us anew."""


def run(work: Coroutine[Any, Any, int | None]) -> None:
    """Runs to the end; what a person can mend becomes one sentence and exit code 1."""
    # What was imported stays as long as we do.
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(_THREADS_TAKE_TURNS_S)
    try:
        code = uvloop.run(work)
    except (SettingsWrong, EmbeddedError, CannotListen, ServerAway, DataIsNewer, PartDied, OSError) as error:
        click.echo(f"turnosya: {error}", err=True)
        sys.exit(1)
    if code:
        sys.exit(code)


# --- serve ---


async def serve(names: Sequence[str]) -> None:
    """Serves until a signal comes or a part of it has died."""
    chosen = app.names_of(names)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(_serve_until(stop, chosen))
    # A signal while we start ends the start at once, children included.
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await starting


async def _serve_until(stop: asyncio.Event, names: Sequence[str]) -> None:
    settings = load(ProcessSettings, {})
    set_up_logging(settings.log_level, settings.log_format)
    for name, meant in app.unknown_settings().items():
        log.warning("setting_unknown", name=name, did_you_mean=meant)
    # Before any server is started and any folder made: a port that is taken costs nothing.
    with (
        contextlib.closing(bind(settings.host, settings.port, setting="TURNOSYA_PORT")) as api,
        contextlib.closing(
            bind(settings.host, settings.operations_port, setting="TURNOSYA_OPERATIONS_PORT")
        ) as operations,
    ):
        async with app.targeted(names) as target:
            take_connections(api, setting="TURNOSYA_PORT")
            take_connections(operations, setting="TURNOSYA_OPERATIONS_PORT")
            async with (
                app.opened(target, names) as process,
                listening(plain_config(operations_app(process.ready)), operations, stop_within_s=1),
                listening(process.listener(), api, stop_within_s=settings.stop_within_s),
            ):
                _keep_what_was_opened()
                saying = asyncio.create_task(_say_when_ready(process, api.getsockname()[1]))
                try:
                    await _until_the_end(stop, process)
                finally:
                    saying.cancel()


async def _until_the_end(stop: asyncio.Event, process: app.Process) -> None:
    deaths: list[asyncio.Future[str]] = [
        process.died,
        *([process.target.embedded.died] if process.target.embedded is not None else []),
    ]
    stopping = asyncio.create_task(stop.wait())
    waited: list[asyncio.Future[Any]] = [stopping, *deaths]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    process.stop_being_ready()
    for death in deaths:
        if death.done():
            raise PartDied(death.result())


def _keep_what_was_opened() -> None:
    """What is there now lives as long as the process: no collection, in some request, looks at it again."""
    gc.collect()
    gc.freeze()


async def _say_when_ready(process: app.Process, port: int) -> None:
    began = time.monotonic()
    told = False
    while not await process.ready():
        if not told and time.monotonic() - began > _NOT_READY_AFTER_S:
            told = True
            log.warning("not_ready_yet", services=await process.not_ready())
        await asyncio.sleep(_LOOK_S)
    _say_where(process, port)


def _say_where(process: app.Process, port: int) -> None:
    target, names = process.target, process.running
    address = f"http://{target.process.host}:{port}"
    # Since the process began, its imports included: that is how long the person has waited.
    took_s = time.time() - psutil.Process().create_time()
    click.echo(f"TurnosYa is ready ({len(names)} services, {took_s:.1f} s).")
    click.echo(f"  API       {address}/v1")
    if "gateway" in names:
        click.echo(f"  Docs      {address}/docs")
        if target.env is Environment.DEVELOPMENT:
            click.echo(f"  Messages  {address}/dev")
    if "notification" in names and target.env is not Environment.DEVELOPMENT:
        click.echo("  Warning   No provider is connected: no code and no message reaches anybody.")
    click.echo("  Stop with Ctrl-C.")
    sys.stdout.flush()


# --- migrate, admin ---


async def migrate(names: Sequence[str]) -> None:
    """Makes or updates what the named services, or all, keep on the servers."""
    chosen = app.names_of(names)
    set_up_logging("warning")
    async with app.targeted(chosen) as target:
        for note in await app.migrate_all(target, [app.SERVICES[name] for name in chosen]):
            click.echo(note)
    click.echo("Roles, databases, tables, Redis users and queues are up to date.")


async def admin(action: str, phone: str) -> int:
    """Grants or revokes the role; 1 when nobody has that number."""
    from turnosya.services.users import admin as users  # noqa: PLC0415 - `serve` does not need it

    set_up_logging("warning")
    async with app.targeted_beside() as target, app.database_of(target, "users") as db:
        try:
            person = await (users.grant if action == "grant" else users.revoke)(db, phone)
        except (ValueError, NotFound):
            click.echo(f"There is no account with the number {phone}.", err=True)
            return 1
    click.echo(f"{person.name} is {'an admin now' if person.roles else 'no admin any more'}.")
    return 0


async def check_providers() -> int:
    """Prints what each channel needs; 1 if one that is on does not work."""
    found = await checking.check()
    for line in checking.lines(found):
        click.echo(line)
    return 1 if any(found.values()) else 0
