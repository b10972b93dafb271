"""docs/performance.md, made of what was measured."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.figures import Figure
from turnosya.runtime.clock import real_now

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_HEAD = """# What it costs

Made by `make bench ARGS=--write`; do not edit the tables. Every system runs in processes of its own and
is called over real sockets with a verified token, rates off, by a generator that parses nothing but
heads (`tests/bench/load.py`) and shares the cores of the machine with what it measures. A part alone
(`make bench ARGS="door --write"`) replaces its own lines: each says on what and when it was measured. A
figure over its promise is marked, and explained below.
"""

Rows = dict[str, dict[str, str]]
"""The lines of the tables, by group and name."""


def of(figures: Sequence[Figure], *, before: str = "") -> str:
    """The whole page, with those lines of the page ``before`` that were not measured anew."""
    measured_on = f"{os.cpu_count()} cores of {_processor()}, {real_now().date()}"
    rows = _rows_of(before)
    for one in figures:
        line = f"| {one.name} | {one.text} | {_promise(one)} | {measured_on} |"
        rows.setdefault(one.group, {})[one.name] = line
    return "\n".join([_HEAD, *(_table(name, lines) for name, lines in rows.items()), _kept_prose()])


def _rows_of(page: str) -> Rows:
    rows: Rows = {}
    group = ""
    for line in page.splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| what |"):
            rows.setdefault(group, {})[line.split(" | ")[0].removeprefix("| ")] = line
    return rows


def _table(name: str, rows: Mapping[str, str]) -> str:
    return (
        "\n".join(
            [f"\n## {name}\n", "| what | measured | promised | on |", "|---|---|---|---|", *rows.values()]
        )
        + "\n"
    )


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
    return models[0] if models else platform.machine()
