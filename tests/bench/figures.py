"""One line of the table."""

from dataclasses import dataclass
from typing import Literal

Group = Literal[
    "One connection",
    "Several connections",
    "The process",
    "The door",
    "Plans",
    "Messages",
    "Jobs",
    "Talking",
    "Search",
    "Files",
    "Being watched",
    "What a call costs",
]


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and what was promised if anything was."""

    group: Group
    name: str
    value: float
    unit: str
    promised: float | None = None
    more: str = ""
    """Beside the value: other percentiles, throughput."""
    at_least: float | None = None
    """Promised of what is the better for being more."""

    @property
    def is_kept(self) -> bool:
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.promised is None or self.value <= self.promised

    @property
    def text(self) -> str:
        beside = f", {self.more}" if self.more else ""
        return f"{self.value:.2f} {self.unit}{beside}"

    @property
    def promise(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {self.unit}"
        return "" if self.promised is None else f"≤ {self.promised:g} {self.unit}"
