"""The page about a storm: one HTML file with its plots in it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jinja2

from tests.storm.audit import summary
from tests.storm.ledger import Fault, Ledger, Try
from tests.storm.running import Plan

_WIDTH, _HEIGHT, _LEFT = 960, 180, 50
_GREEN, _RED, _BLUE = "#17692f", "#c0392b", "#1f5fa8"


def write(path: Path, plan: Plan, ledger: Ledger, wrong: list[str]) -> None:
    """One page: what was done, what failed for how long after each kill, what the audit found."""
    seconds = int(max((one.ended_s for one in ledger.tries), default=0)) + 1
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    page = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = page.get_template("report.html.j2").render(
        plan=plan,
        wrong=wrong,
        counts=summary(ledger),
        seconds=seconds,
        plots=[
            _plot("Tries a second: answered (green), not answered (red)", _rates(ledger, seconds), ledger),
            _plot("Time to an answer, median of each second, in ms", _times(ledger, seconds), ledger),
        ],
        faults=[_consequences(fault, ledger.failed_after(fault)) for fault in ledger.faults],
    )
    path.write_text(text, encoding="utf-8")


def _consequences(fault: Fault, failed: list[Try]) -> tuple[Fault, float, str]:
    """The fault, the seconds until the last try that failed, and which tries failed."""
    seconds = max((one.ended_s for one in failed), default=fault.at_s) - fault.at_s
    kinds = Counter(f"{one.kind} ({one.status or 'no answer'})" for one in failed)
    return fault, seconds, ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())


def _rates(ledger: Ledger, seconds: int) -> dict[str, list[float]]:
    ended: Counter[tuple[int, bool]] = Counter((int(one.ended_s), one.is_answered) for one in ledger.tries)
    return {
        _GREEN: [ended[at, True] for at in range(seconds)],
        _RED: [ended[at, False] for at in range(seconds)],
    }


def _times(ledger: Ledger, seconds: int) -> dict[str, list[float]]:
    found: list[list[float]] = [[] for _ in range(seconds)]
    for one in ledger.tries:
        if one.is_answered:
            found[int(one.ended_s)].append(one.took_s * 1000)
    return {_BLUE: [median(times) if times else 0 for times in found]}


@dataclass(frozen=True, slots=True)
class _Plot:
    title: str
    top: int
    lines: list[dict[str, str]]
    kills: list[dict[str, str]]
    width: int = _WIDTH
    height: int = _HEIGHT


def _plot(title: str, series: dict[str, list[float]], ledger: Ledger) -> _Plot:
    """Lines by their colours; a value a second, and a mark for each kill."""
    seconds = len(next(iter(series.values())))
    top = max(1, *(max(values) for values in series.values()))

    def x(at_s: float) -> str:
        return f"{_LEFT + (_WIDTH - _LEFT) * at_s / seconds:.1f}"

    def points(values: list[float]) -> str:
        return " ".join(f"{x(at + 0.5)},{_HEIGHT * (1 - value / top):.1f}" for at, value in enumerate(values))

    return _Plot(
        title,
        round(top),
        [{"colour": colour, "points": points(values)} for colour, values in series.items()],
        [{"x": x(fault.at_s), "what": f"{fault.what}, {fault.at_s:.1f} s"} for fault in ledger.faults],
    )
