"""HTTP of checks, a file per noun."""

from turnosya.services.checks.routes import dead_letters, health, logs, status

ROUTERS = [health.routes, logs.routes, dead_letters.routes, status.routes]
