"""The command line: serve, migrate, contracts, tour, demo-data, admin, check-providers.

It imports what a command needs when that command is given: help and a mistyped word answer at once.
"""

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="turnosya", message="TurnosYa %(version)s")
def main() -> None:
    """TurnosYa: the back end of small businesses and their turnos."""


@contextmanager
def _command() -> Generator[None]:
    """Around a command and its imports: these make some 100,000 objects that all stay.

    Looking for garbage among them would take a tenth of a start; ``commands.run`` begins to look.
    """
    gc.disable()
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)


@main.command()
@click.argument("names", nargs=-1)
def serve(names: tuple[str, ...]) -> None:
    """Run all ten services, or the NAMED ones over RabbitMQ."""
    with _command():
        from turnosya import commands

        commands.run(commands.serve(names))


@main.command()
@click.argument("names", nargs=-1)
def migrate(names: tuple[str, ...]) -> None:
    """Make or update databases, roles, Redis users and queues."""
    with _command():
        from turnosya import commands

        commands.run(commands.migrate(names))


@main.command()
@click.option("--url", help="A running system; without it the tour starts one of its own.")
@click.option("--keep", is_flag=True, help="Leave what it made.")
@click.option(
    "--scene",
    type=click.Choice(["first-booking", "closed-day"]),
    default="first-booking",
    help="What to show.",
)
def tour(url: str | None, *, keep: bool, scene: str) -> None:
    """Show a first booking, or a closed day; fail if untrue."""
    with _command():
        from turnosya import commands
        from turnosya.tour.command import run_tour

        commands.run(run_tour(url, keep=keep, scene=scene))


@main.command("demo-data")
def demo_data() -> None:
    """Fill a lively town of 30 businesses (development only)."""
    with _command():
        from turnosya import commands
        from turnosya.demo_data.command import run_demo_data

        commands.run(run_demo_data())


@main.command()
@click.argument("action", type=click.Choice(["grant", "revoke"]))
@click.argument("phone")
def admin(action: str, phone: str) -> None:
    """Make the holder of PHONE an admin, or no longer."""
    with _command():
        from turnosya import commands

        commands.run(commands.admin(action, phone))


@main.command("check-providers")
def check_providers() -> None:
    """Say what each channel lacks; send nothing."""
    with _command():
        from turnosya import commands

        commands.run(commands.check_providers())


@main.command()
@click.option("--check", "action", flag_value="check", default="check", help="Fail where a page is stale.")
@click.option("--write", "action", flag_value="write", help="Make the pages anew.")
@click.option(
    "--breaking", is_flag=True, help="With --write: accept what an older process would not understand."
)
def contracts(action: str, *, breaking: bool) -> None:
    """Compare or write contract lock and generated pages."""
    with _command():
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


if __name__ == "__main__":
    main()
