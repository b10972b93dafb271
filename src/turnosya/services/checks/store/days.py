"""The SQL of how each service was on each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text

from turnosya.runtime.database import Database, Transaction

_ADD = text(
    "INSERT INTO health_days (service, day, well, unwell, down)"
    " VALUES (:service, :day, :well, :unwell, :down)"
    " ON CONFLICT (service, day) DO UPDATE SET well = health_days.well + excluded.well,"
    " unwell = health_days.unwell + excluded.unwell, down = health_days.down + excluded.down"
)
_READ = text("SELECT service, day, well, unwell, down FROM health_days WHERE day >= :since ORDER BY day")
_FORGET = text("DELETE FROM health_days WHERE day < :before")


@dataclass(frozen=True, slots=True)
class Looks:
    """How many looks at a service on one day found it well, not well, and down."""

    well: int = 0
    unwell: int = 0
    down: int = 0

    @property
    def up_percent(self) -> float:
        """The share of looks that did not find it down; there is at least one look."""
        return 100 * (self.well + self.unwell) / (self.well + self.unwell + self.down)


async def add(db: Database, tally: Mapping[tuple[str, date], Looks]) -> None:
    """Adds looks to what is known of their days."""
    # In one order, so that two copies do not wait for each other's rows.
    rows = [
        {"service": service, "day": day, "well": looks.well, "unwell": looks.unwell, "down": looks.down}
        for (service, day), looks in sorted(tally.items(), key=lambda item: item[0])
    ]
    async with db.transaction() as tx:
        await tx.execute(_ADD, rows)


async def read(tx: Transaction, *, since: date) -> dict[str, list[tuple[date, Looks]]]:
    """What is known of each service, its days in order."""
    found: dict[str, list[tuple[date, Looks]]] = {}
    rows: Sequence[tuple[str, date, int, int, int]] = [
        tuple(row) for row in await tx.execute(_READ, {"since": since})
    ]
    for service, day, well, unwell, down in rows:
        found.setdefault(service, []).append((day, Looks(well, unwell, down)))
    return found


async def forget(tx: Transaction, *, before: date) -> None:
    """Deletes older days."""
    await tx.execute(_FORGET, {"before": before})
