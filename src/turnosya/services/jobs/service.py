"""Jobs: what must happen later or again, and the clock by which it does."""

from turnosya.contracts.jobs import (
    CancelScheduled,
    ClockMoved,
    DeclareSchedules,
    ForgetEnded,
    Schedule,
    ScheduleCancelled,
    ScheduleMissed,
    ScheduleRequested,
    UseClock,
)
from turnosya.runtime.service import Recurs, Service
from turnosya.services.jobs import admin_routes, clock, engine, routes, schedules, timetable
from turnosya.services.jobs.context import Jobs
from turnosya.services.jobs.settings import JobsSettings

service = Service(
    name="jobs",
    open=Jobs.open,
    settings=JobsSettings,
    answers=[
        Schedule.answered_by(timetable.schedule),
        CancelScheduled.answered_by(timetable.cancel),
        DeclareSchedules.answered_by(schedules.declare),
        ForgetEnded.answered_by(engine.forget),
        UseClock.answered_by(clock.use),
    ],
    # One function hears both, so that a cancellation never overtakes what it cancels.
    hears=[
        ScheduleRequested.heard_by(timetable.hear),
        ScheduleCancelled.heard_by(timetable.hear),
    ],
    tells=[ClockMoved, ScheduleMissed],
    web=[routes.routes, admin_routes.routes],
    runs=[engine.run],
    recurs=[Recurs(ForgetEnded(), every_s=3600)],
    migrations="turnosya.services.jobs.migrations",
)
