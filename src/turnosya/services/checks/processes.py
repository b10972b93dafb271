"""Every process of the system: it says that it lives; who falls silent is dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.checks import ProcessLives
from turnosya.runtime import metrics
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Unavailable
from turnosya.services.checks import alarms
from turnosya.services.checks.alarms import Life
from turnosya.services.checks.metrics import processes_known, queue_consumers, queue_waiting

if TYPE_CHECKING:
    from turnosya.services.checks.context import Checks

# Words of our own that are missing: then it is we who hear nothing.
_DEAF_AFTER_S = 7.0
_QUEUES_EVERY_S = 5.0


async def hear(checks: Checks, said: ProcessLives) -> None:
    """Notes a word of a process; the last one takes it off the list."""
    now = real_now()
    if said.process_id == checks.process_id:
        checks.heard_self_at = now
    before = checks.lives.get(said.process_id)
    if said.ends:
        checks.lives.pop(said.process_id, None)
        return
    checks.lives[said.process_id] = Life(
        process_id=said.process_id,
        services=tuple(said.services),
        address=said.address,
        pid=said.pid,
        started_at=said.started_at,
        heard_at=now,
        away=alarms.with_away(before, said.away, at=now),
    )


def can_judge(checks: Checks) -> bool:
    """Whether this copy has heard long enough without a gap to say that somebody is silent.

    It hears its own words over the broker as everybody's: without them it is the one that is cut off.
    """
    now = real_now()
    if checks.heard_self_at is None or (now - checks.heard_self_at).total_seconds() > _DEAF_AFTER_S:
        checks.hears_since = None
    elif checks.hears_since is None:
        checks.hears_since = now
    return checks.hears_since is not None and now - checks.hears_since > alarms.SILENT_FOR


def tidy(checks: Checks) -> None:
    """Forgets processes that were started again, or were silent for long; counts the others."""
    now = real_now()
    lives = list(checks.lives.values())
    for one in lives:
        gone = now - one.heard_at > alarms.FORGOTTEN_AFTER
        if gone or (one.is_dead(now) and alarms.is_replaced(one, lives)):
            del checks.lives[one.process_id]
    dead = sum(one.is_dead(now) for one in checks.lives.values())
    processes_known.labels("alive").set(len(checks.lives) - dead)
    processes_known.labels("dead").set(dead)


async def look_at_queues(checks: Checks) -> None:
    """Counts what waits in each queue and who takes from it, every 5 s."""
    now = real_now()
    if checks.queues_at is not None and (now - checks.queues_at).total_seconds() < _QUEUES_EVERY_S:
        return
    try:
        depths = await checks.bus.depths()
    except Unavailable:
        # The broker is away, or a queue is not declared: nothing is known of them now.
        checks.unheard.clear()
        metrics.dependency_up.labels("checks", "queues").set(0)
        return
    finally:
        checks.queues_at = now
    metrics.dependency_up.labels("checks", "queues").set(1)
    for queue, depth in depths.items():
        queue_waiting.labels(queue).set(depth.waiting)
        queue_consumers.labels(queue).set(depth.consumers)
        checks.unheard[queue] = None if depth.consumers else (checks.unheard.get(queue) or now)
