"""Jobs: what must happen later or again, and the clock by which it does."""

from turnosya.contracts.jobs import (
    CancelScheduled,
    ClockMoved,
    Schedule,
    ScheduleCancelled,
    ScheduleRequested,
    UseClock,
)
from turnosya.runtime.service import Service
from turnosya.services.jobs import clock, engine, routes, timetable
from turnosya.services.jobs.context import Jobs
from turnosya.services.jobs.settings import JobsSettings

service = Service(
    name="jobs",
    open=Jobs.open,
    settings=JobsSettings,
    answers=[
        Schedule.answered_by(timetable.schedule),
        CancelScheduled.answered_by(timetable.cancel),
        UseClock.answered_by(clock.use),
    ],
    # One function hears both, so that a cancellation never overtakes what it cancels.
    hears=[
        ScheduleRequested.heard_by(timetable.hear),
        ScheduleCancelled.heard_by(timetable.hear),
    ],
    tells=[ClockMoved],
    web=[routes.routes],
    runs=[engine.run, engine.forget],
    migrations="turnosya.services.jobs.migrations",
)
