"""``python -m tests.bench [PART…]``: the figures of docs/performance.md; ``--write`` keeps them there.

Every system runs in processes of its own and is called over real sockets. Each part can be measured and
written down alone; what a line says was measured on the day that stands in it.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench import chat, checks, costs, door, jobs, page, plans, rpc, search
from tests.bench.agenda import agenda
from tests.bench.attempts import attempts
from tests.bench.figures import Figure
from tests.bench.files import files
from tests.bench.hand_over import hand_over
from tests.bench.messages import messages, reminders
from tests.bench.whole import whole
from tests.flows.systems import Zygote
from tests.servers import Servers, warden_of_this_run

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ground:
    """What parts stand on: servers that start when they are asked for, processes, an empty folder."""

    servers: Servers
    zygote: Zygote
    folder: Path


PARTS: dict[str, Callable[[Ground], AsyncIterator[Figure]]] = {
    "plans": lambda _: plans.figures(),
    "whole": lambda ground: whole(ground.folder / "whole"),
    "rpc": lambda ground: rpc.figures(ground.servers),
    "hand-over": lambda ground: hand_over(ground.servers, ground.zygote, ground.folder),
    "agenda": lambda ground: agenda(ground.servers, ground.zygote, ground.folder),
    "attempts": lambda ground: attempts(ground.servers, ground.zygote, ground.folder),
    "files": lambda ground: files(ground.servers, ground.zygote, ground.folder),
    "messages": lambda ground: messages(ground.servers, ground.folder / "messages"),
    "reminders": lambda ground: reminders(ground.servers, ground.folder / "reminders"),
    "jobs": lambda ground: jobs.figures(ground.servers),
    "chat": lambda ground: chat.figures(ground.servers, ground.zygote, ground.folder / "chat"),
    "search": lambda ground: search.figures(ground.servers, ground.zygote, ground.folder),
    "checks": lambda ground: checks.figures(ground.servers, ground.zygote, ground.folder / "checks"),
    "costs": lambda ground: costs.figures(ground.servers, ground.zygote, ground.folder / "costs"),
    "door": lambda ground: door.figures(ground.servers, ground.zygote, ground.folder),
}


async def figures(parts: Sequence[str]) -> AsyncGenerator[Figure]:
    """Those of the parts that are named, each as soon as it is measured."""
    with (
        tempfile.TemporaryDirectory(prefix="turnosya-bench-") as folder,
        warden_of_this_run(ROOT),
        _zygote() as zygote,
    ):
        ground = Ground(Servers(), zygote, Path(folder))
        for part in parts:
            async for figure in PARTS[part](ground):
                yield figure


async def run(parts: Sequence[str], *, write: bool) -> None:
    """Measures, prints, and writes the page if asked."""
    console = Console()
    found: list[Figure] = []
    with console.status("measuring"):
        async for figure in figures(parts):
            console.print(f"  {figure.name}: {figure.text}", highlight=False)
            found.append(figure)
    console.print(_table(found))
    if write:
        await asyncio.to_thread(_keep, found, is_whole=set(parts) == set(PARTS))


def _keep(found: Sequence[Figure], *, is_whole: bool) -> None:
    page.PAGE.write_text(page.of(found, before="" if is_whole else page.PAGE.read_text()))


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
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none: all of them")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/performance.md")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    uvloop.run(run(asked.parts or list(PARTS), write=asked.write))


if __name__ == "__main__":
    main()
