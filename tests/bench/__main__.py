"""``python -m tests.bench``: the figures of docs/performance.md, as a table; ``--write`` keeps them there.

Every system runs in processes of its own and is called over real sockets; the whole takes some three
minutes, whatever the machine.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench import door, page, plans, rpc
from tests.bench.agenda import agenda
from tests.bench.attempts import attempts
from tests.bench.figures import Figure
from tests.bench.hand_over import hand_over
from tests.bench.whole import whole
from tests.flows.systems import Zygote
from tests.servers import Servers, warden_of_this_run

ROOT = Path(__file__).parents[2]


async def figures() -> AsyncGenerator[Figure]:
    """All of them, each part as soon as it is measured."""
    async for figure in plans.figures():
        yield figure
    with tempfile.TemporaryDirectory(prefix="turnosya-bench-") as name:
        folder = Path(name)
        async for figure in whole(folder / "whole"):
            yield figure
        with warden_of_this_run(ROOT):
            servers = Servers()
            async for figure in rpc.figures(servers):
                yield figure
            with _zygote() as zygote:
                async for figure in hand_over(servers, zygote, folder):
                    yield figure
                async for figure in agenda(servers, zygote, folder):
                    yield figure
                async for figure in attempts(servers, zygote, folder):
                    yield figure
                async for figure in door.figures(servers, zygote, folder):
                    yield figure


async def run(*, write: bool) -> None:
    """Measures, prints, and writes the page if asked."""
    console = Console()
    found: list[Figure] = []
    with console.status("measuring"):
        async for figure in figures():
            console.print(f"  {figure.name}: {figure.text}", highlight=False)
            found.append(figure)
    console.print(_table(found))
    if write:
        path = ROOT / "docs" / "performance.md"
        await asyncio.to_thread(path.write_text, page.of(found))


def _table(found: list[Figure]) -> Table:
    table = Table("what", "measured", "promised")
    for figure in found:
        style = "" if figure.is_kept else "bold red"
        table.add_row(figure.name, figure.text, figure.promise, style=style)
    return table


@contextmanager
def _zygote() -> Generator[Zygote]:
    zygote = Zygote(ROOT)
    try:
        yield zygote
    finally:
        zygote.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/performance.md")
    uvloop.run(run(write=parser.parse_args().write))


if __name__ == "__main__":
    main()
