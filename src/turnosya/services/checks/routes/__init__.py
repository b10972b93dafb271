"""HTTP of checks, a file per noun."""

from turnosya.services.checks.routes import dead_letters, health, logs, processes, status

ROUTERS = [health.routes, logs.routes, dead_letters.routes, processes.routes, status.routes]
