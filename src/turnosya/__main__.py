"""The command line: serve, migrate, contracts, tour, demo-data, admin."""

import gc

# Importing makes some 100,000 objects that all stay: looking for garbage among them takes a tenth of a start.
gc.disable()

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import structlog
import uvloop

from turnosya import app
from turnosya.embedded import EmbeddedError
from turnosya.runtime.messages import NotFound
from turnosya.runtime.serving import CannotListen, bind, listening, operations_app, plain_config
from turnosya.runtime.settings import Environment, SettingsWrong
from turnosya.runtime.telemetry import set_up_logging

gc.freeze()
gc.enable()

log = structlog.get_logger()
_BEGAN = perf_counter()


class PartDied(Exception):
    """Something this process needs ended and will not come back: whoever runs us starts us anew."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """TurnosYa: the back end of small businesses and their turnos."""


@main.command()
@click.argument("names", nargs=-1)
def serve(names: tuple[str, ...]) -> None:
    """Run all ten services in one process, or only those NAMES (over RabbitMQ)."""
    _run(_serve(names))


@main.command()
@click.argument("names", nargs=-1)
def migrate(names: tuple[str, ...]) -> None:
    """Make or update roles, databases, tables, Redis users and queues."""
    _run(_migrate(names))


@main.command()
@click.option("--url", help="A running system; without it the tour starts one of its own.")
@click.option("--keep", is_flag=True, help="Leave what it made.")
def tour(url: str | None, *, keep: bool) -> None:
    """Show a first booking from sign-up to cancellation, and fail at the first thing not as promised."""
    from turnosya.tour.command import run_tour

    _run(run_tour(url, keep=keep))


@main.command("demo-data")
def demo_data() -> None:
    """Fill a lively town: 30 businesses, 300 clients, a month of turnos."""
    from turnosya.demo_data.command import run_demo_data

    _run(run_demo_data())


@main.command()
@click.argument("action", type=click.Choice(["grant", "revoke"]))
@click.argument("phone")
def admin(action: str, phone: str) -> None:
    """Make the holder of PHONE an admin, or no longer; works beside a running serve."""
    _run(_admin(action, phone))


@main.command()
@click.option("--check", "action", flag_value="check", default="check", help="Fail where a page is stale.")
@click.option("--write", "action", flag_value="write", help="Make the pages anew.")
@click.option(
    "--breaking", is_flag=True, help="With --write: accept what an older process would not understand."
)
def contracts(action: str, *, breaking: bool) -> None:
    """Compare or write contracts.lock.json, docs/contracts.md and docs/settings.md."""
    from turnosya import documents

    root = Path.cwd()
    broken = documents.breaks(documents.locked(root), documents.lock())
    if action == "write" and (breaking or not broken):
        documents.write(root)
        return
    for line in broken:
        click.echo(f"contract broken: {line}", err=True)
    for path in documents.stale(root):
        click.echo(f"stale: {path} (turnosya contracts --write)", err=True)
    if broken or documents.stale(root):
        sys.exit(1)


def _run(work: Coroutine[Any, Any, int | None]) -> None:
    """Runs to the end; what a person can mend becomes one sentence and exit code 1."""
    code = None
    try:
        code = uvloop.run(work)
    except (SettingsWrong, EmbeddedError, CannotListen, PartDied, OSError) as error:
        click.echo(f"turnosya: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    if code:
        sys.exit(code)


async def _serve(names: Sequence[str]) -> None:
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
    async with app.targeted(names) as target:
        process_settings = target.process
        set_up_logging(process_settings.log_level)
        api = bind(process_settings.host, process_settings.port, setting="TURNOSYA_PORT")
        operations = bind(
            process_settings.host, process_settings.operations_port, setting="TURNOSYA_OPERATIONS_PORT"
        )
        within_s = process_settings.stop_within_s
        with contextlib.closing(api), contextlib.closing(operations):
            async with (
                app.opened(target, names) as process,
                listening(plain_config(operations_app(process.ready)), operations, stop_within_s=1),
                listening(process.listener(), api, stop_within_s=within_s),
            ):
                _keep_what_was_opened()
                _say_where(target, api.getsockname()[1], names)
                deaths: list[asyncio.Future[str]] = [
                    process.died,
                    *([target.embedded.died] if target.embedded is not None else []),
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


def _say_where(target: app.Target, port: int, names: Sequence[str]) -> None:
    address = f"http://{target.process.host}:{port}"
    took_s = perf_counter() - _BEGAN
    click.echo(f"TurnosYa is ready ({len(names)} services, {took_s:.1f} s).")
    click.echo(f"  API       {address}/v1")
    if "gateway" in names:
        click.echo(f"  Docs      {address}/docs")
        if target.env is Environment.DEVELOPMENT:
            click.echo(f"  Messages  {address}/dev")
    click.echo("  Stop with Ctrl-C.")
    sys.stdout.flush()


async def _migrate(names: Sequence[str]) -> None:
    chosen = app.names_of(names)
    set_up_logging("warning")
    async with app.targeted(chosen) as target:
        for note in await app.migrate_all(target, [app.SERVICES[name] for name in chosen]):
            click.echo(note)
    click.echo("Roles, databases, tables, Redis users and queues are up to date.")


async def _admin(action: str, phone: str) -> int:
    from turnosya.services.users import admin as users

    set_up_logging("warning")
    async with app.targeted_beside() as target, app.database_of(target, "users") as db:
        try:
            person = await (users.grant if action == "grant" else users.revoke)(db, phone)
        except (ValueError, NotFound):
            click.echo(f"There is no account with the number {phone}.", err=True)
            return 1
    click.echo(f"{person.name} is {'an admin now' if person.roles else 'no admin any more'}.")
    return 0


if __name__ == "__main__":
    main()
