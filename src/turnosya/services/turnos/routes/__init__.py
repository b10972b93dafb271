"""The HTTP face of turnos, a file per noun."""

from turnosya.services.turnos.routes import (
    answers,
    appointments,
    calendars,
    closures,
    preferences,
    proposals,
    schedules,
    slots,
)

ROUTERS = (
    schedules.routes,
    slots.routes,
    appointments.routes,
    preferences.routes,
    calendars.routes,
    closures.routes,
    proposals.routes,
    answers.routes,
)
