"""Checks: whether all of it lives, what it logged and gave up, and what happened to accounts."""

from turnosya.contracts import auth, business, gateway, users
from turnosya.contracts.checks import ForgetAudit, GetHeld, KeepLogs
from turnosya.runtime.service import Recurs, Service
from turnosya.services.checks import audit, days, health, logs, routes
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
    ],
    hears=[
        auth.SecurityNoted.heard_by(audit.note),
        business.SecurityNoted.heard_by(audit.note),
        gateway.SecurityNoted.heard_by(audit.note),
        users.SecurityNoted.heard_by(audit.note),
    ],
    web=routes.ROUTERS,
    runs=[health.watch, logs.tend_forever, days.keep_forever],
    recurs=[Recurs(ForgetAudit(), every_s=3600)],
    migrations="turnosya.services.checks.migrations",
)
