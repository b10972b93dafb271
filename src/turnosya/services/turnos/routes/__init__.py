"""The HTTP face of turnos, a file per noun."""

from turnosya.services.turnos.routes import appointments, calendars, preferences, schedules, slots

ROUTERS = (schedules.routes, slots.routes, appointments.routes, preferences.routes, calendars.routes)
