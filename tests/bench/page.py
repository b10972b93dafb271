"""docs/performance.md, made of what was measured."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Figure
from turnosya.runtime.clock import real_now

_HEAD = """# What it costs

Made by `make bench ARGS=--write`; do not edit the tables. Every system runs in processes of its own and
is called over real sockets with a verified token, rates off, by a generator that parses nothing but
heads (`tests/bench/load.py`); it shares the {cores} cores of {machine} with what it measures.
Python {python}, {date}. A figure over its promise is marked, and explained below.
"""


def of(figures: Sequence[Figure]) -> str:
    """The whole page; what stands under the tables stays as it is."""
    head = _HEAD.format(
        cores=os.cpu_count(),
        machine=_processor(),
        python=platform.python_version(),
        date=real_now().date(),
    )
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.group, []).append(figure)
    return "\n".join([head, *(_table(name, lines) for name, lines in groups.items()), _kept_prose()])


def _table(name: str, figures: Sequence[Figure]) -> str:
    rows = [f"\n## {name}\n", "| what | measured | promised |", "|---|---|---|"]
    rows += [f"| {one.name} | {one.text} | {_promise(one)} |" for one in figures]
    return "\n".join(rows) + "\n"


def _promise(figure: Figure) -> str:
    return figure.promise if figure.is_kept else f"**{figure.promise}: not reached**"


def _kept_prose() -> str:
    return (Path(__file__).parent / "where_it_goes.md").read_text()


def _processor() -> str:
    """The model, where the kernel says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"an {models[0]}" if models else platform.machine()
