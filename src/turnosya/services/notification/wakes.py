"""The one job that sends what is due, reminders and agendas alike: asked for at the instant of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.jobs import Job, ScheduleCancelled, ScheduleRequested
from turnosya.contracts.notification import SendReminders
from turnosya.services.notification.store import reminders as store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from turnosya.runtime.database import Transaction

_KEY = "notification.reminders"


async def ask_for_next(tx: Transaction, *, anyway: bool = False) -> None:
    """Asks for the job at the instant of what comes next, reminder or agenda, unless it has been."""
    run_at = await store.next_wake(tx, anyway=anyway)
    if run_at is not None:
        await tx.publish(job(run_at))
    elif anyway:
        await tx.publish(ScheduleCancelled(key=_KEY))


def job(run_at: datetime) -> ScheduleRequested:
    """The one job that does what is due."""
    return ScheduleRequested(job=Job.of(SendReminders(), key=_KEY, run_at=run_at))


async def ask_by(tx: Transaction, times: Sequence[datetime]) -> None:
    """Asks for the job at the first of these, which were planned with `store.keep`, unless it has been."""
    if times and await store.wake_by(tx, min(times)):
        await tx.publish(job(min(times)))
