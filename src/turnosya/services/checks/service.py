"""Checks: whether all of it lives."""

from turnosya.runtime.service import Service
from turnosya.services.checks import health, routes
from turnosya.services.checks.context import Checks
from turnosya.services.checks.settings import ChecksSettings

service = Service(
    name="checks",
    open=Checks.open,
    settings=ChecksSettings,
    web=[routes.routes],
    runs=[health.watch],
)
