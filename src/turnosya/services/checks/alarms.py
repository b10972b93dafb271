"""When somebody must be told: decisions without input or output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from turnosya.services.checks.rules import Health

Key = tuple[str, str]
"""The kind of an alert, and what it is about."""

SILENT_FOR = timedelta(seconds=10)
"""Three missed words and a bit: a process that says nothing for so long is dead, or as good as dead."""
FORGOTTEN_AFTER = timedelta(minutes=10)
"""A dead process that nobody started again, elsewhere or with other services, is nobody's concern."""
DOWN_FOR = timedelta(seconds=10)
UNHEARD_FOR = timedelta(seconds=20)
AWAY_FOR = timedelta(seconds=12)


@dataclass(frozen=True, slots=True)
class Life:
    """What a process last said of itself."""

    process_id: UUID
    services: tuple[str, ...]
    address: str
    pid: int
    started_at: datetime
    heard_at: datetime
    away: Mapping[str, datetime]
    """What its services lack, and since when they say so."""

    @property
    def name(self) -> str:
        """Its services and where it listens: those of the process that is started again in its place."""
        return f"{'+'.join(self.services)} {self.address}"

    def is_dead(self, now: datetime) -> bool:
        """Whether it has been silent for too long."""
        return now - self.heard_at > SILENT_FOR


def with_away(before: Life | None, away: Iterable[str], *, at: datetime) -> dict[str, datetime]:
    """What it lacks now, each since it was first said."""
    known: Mapping[str, datetime] = {} if before is None else before.away
    return {what: known.get(what, at) for what in away}


def is_replaced(one: Life, lives: Iterable[Life]) -> bool:
    """Whether a later process is where it was."""
    return any(other.name == one.name and other.started_at > one.started_at for other in lives)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, since when; and what is known to be well, so that an alert about it is over."""

    wrong: Mapping[Key, datetime]
    well: frozenset[Key]


def judge(
    lives: Iterable[Life],
    services: Mapping[str, Health],
    unheard: Mapping[str, datetime | None],
    *,
    now: datetime,
) -> Verdict:
    """What follows from the last words of processes, the health of services and the queues nobody takes from.

    ``unheard`` has a queue's since, or None while somebody takes from it.
    """
    lives = list(lives)
    wrong: dict[Key, datetime] = {}
    well: set[Key] = set()
    for one in lives:
        if not one.is_dead(now):
            well.add(("process_dead", one.name))
            _add_away(one, wrong, now)
        elif not is_replaced(one, lives):
            wrong["process_dead", one.name] = one.heard_at
    for name, health in services.items():
        if health.status != "down":
            well.add(("service_down", name))
        elif now - health.since >= DOWN_FOR:
            wrong["service_down", name] = health.missing_since or health.since
    for queue, since in unheard.items():
        if since is None:
            well.add(("queue_unheard", queue))
        elif now - since >= UNHEARD_FOR:
            wrong["queue_unheard", queue] = since
    return Verdict(wrong, frozenset(well - wrong.keys()))


def _add_away(life: Life, wrong: dict[Key, datetime], now: datetime) -> None:
    for what, since in life.away.items():
        if now - since >= AWAY_FOR:
            key = ("dependency_away", what)
            wrong[key] = min(since, wrong.get(key, since))


def is_over(key: Key, verdict: Verdict, lives: Iterable[Life], *, since: datetime, now: datetime) -> bool:
    """Whether an alert that is open can be closed by what this copy of checks knows."""
    kind, subject = key
    if key in verdict.wrong:
        return False
    if key in verdict.well:
        return True
    if kind == "process_dead":
        return now - since > FORGOTTEN_AFTER
    if kind == "dependency_away":
        # Somebody who has that service lives and does not miss it.
        name = subject.partition(" ")[0]
        return any(name in one.services and subject not in one.away for one in lives if not one.is_dead(now))
    # Of a service or a queue that there is no more.
    return now - since > FORGOTTEN_AFTER and kind in {"service_down", "queue_unheard"}
