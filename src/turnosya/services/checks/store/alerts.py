"""The SQL of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import RowMapping, text

from turnosya.services.checks.alarms import Key

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction

# Told again only after a while: what comes and goes would be a message a minute for every admin.
_RAISE = text(
    """
    INSERT INTO alerts (id, kind, subject, since, told, cleared_at)
    SELECT :id, :kind, :subject, CAST(:since AS timestamptz), NOT EXISTS (
        SELECT 1 FROM alerts WHERE kind = :kind AND subject = :subject AND told
          AND raised_at > now() - make_interval(secs => :quiet_s)),
        CASE WHEN :passes THEN now() END
    ON CONFLICT (kind, subject) WHERE cleared_at IS NULL DO NOTHING
    RETURNING id, kind, subject, since, told
    """
)
_CLEAR = text(
    "UPDATE alerts SET cleared_at = now() WHERE id = :id AND cleared_at IS NULL"
    " RETURNING id, kind, subject, since, told"
)
_OPEN = text(
    "SELECT id, kind, subject, since, told FROM alerts WHERE cleared_at IS NULL ORDER BY raised_at, id"
    " LIMIT 1000"
)
_FORGET = text("DELETE FROM alerts WHERE cleared_at < :before")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; ``told`` says whether admins were told of it."""

    id: UUID
    kind: str
    subject: str
    since: datetime
    told: bool

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.kind, self.subject


async def raise_one(
    tx: Transaction, alert_id: UUID, key: Key, *, since: datetime, quiet_s: float, passes: bool = False
) -> Alert | None:
    """A new alert; None when it is open already. One that ``passes`` is over as soon as it is raised."""
    values = {"id": alert_id, "kind": key[0], "subject": key[1], "since": since}
    rows = await tx.execute(_RAISE, {**values, "quiet_s": quiet_s, "passes": passes})
    return next(map(_alert, rows.mappings()), None)


async def clear(tx: Transaction, alert_id: UUID) -> Alert | None:
    """Closes it; None when somebody else already has."""
    rows = await tx.execute(_CLEAR, {"id": alert_id})
    return next(map(_alert, rows.mappings()), None)


async def read_open(tx: Transaction) -> list[Alert]:
    """Those that last, the oldest first; 1,000 at most."""
    return [_alert(row) for row in (await tx.execute(_OPEN)).mappings()]


def _alert(row: RowMapping) -> Alert:
    return Alert(row["id"], row["kind"], row["subject"], row["since"], row["told"])


async def forget(tx: Transaction, *, before: datetime) -> None:
    """Deletes those that were over before then."""
    await tx.execute(_FORGET, {"before": before})
