"""Checks: whether all of it lives, what it logged and gave up, and what happened to accounts."""

from turnosya.contracts import auth, business, files, gateway, jobs, users
from turnosya.contracts.checks import (
    AlertCleared,
    AlertRaised,
    ForgetAudit,
    GetHeld,
    KeepLogs,
    ProcessLives,
    TendLogs,
)
from turnosya.runtime.service import Recurs, Service
from turnosya.services.checks import alerts, audit, days, health, logs, processes, routes
from turnosya.services.checks.context import Checks
from turnosya.services.checks.settings import ChecksSettings

service = Service(
    name="checks",
    open=Checks.open,
    settings=ChecksSettings,
    answers=[
        GetHeld.answered_by(audit.held),
        ForgetAudit.answered_by(audit.forget),
        KeepLogs.answered_by(logs.keep),
        TendLogs.answered_by(logs.tend),
    ],
    hears=[
        auth.SecurityNoted.heard_by(audit.note),
        business.SecurityNoted.heard_by(audit.note),
        files.SecurityNoted.heard_by(audit.note),
        gateway.SecurityNoted.heard_by(audit.note),
        users.SecurityNoted.heard_by(audit.note),
        jobs.ScheduleMissed.heard_by(alerts.schedule_missed),
        ProcessLives.heard_by(processes.hear, every_copy=True),
    ],
    tells=[AlertRaised, AlertCleared],
    web=routes.ROUTERS,
    # What a process has counted only that process can write down.
    runs=[health.watch, days.keep_forever],
    recurs=[Recurs(ForgetAudit(), every_s=3600), Recurs(TendLogs(), every_s=3600)],
    migrations="turnosya.services.checks.migrations",
)
