"""The HTTP face of turnos, a file per noun."""

from turnosya.services.turnos.routes import (
    answers,
    appointments,
    calendars,
    closures,
    preferences,
    proposals,
    rearrangements,
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
    rearrangements.routes,
    answers.routes,
)
