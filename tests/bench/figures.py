"""One line of the table."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["One connection", "Several connections", "The process", "Plans"]


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

    @property
    def is_kept(self) -> bool:
        return self.promised is None or self.value <= self.promised

    @property
    def text(self) -> str:
        beside = f", {self.more}" if self.more else ""
        return f"{self.value:.2f} {self.unit}{beside}"

    @property
    def promise(self) -> str:
        return "" if self.promised is None else f"≤ {self.promised:g} {self.unit}"
