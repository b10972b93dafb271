"""The HTTP face of turnos, a file per noun."""

from turnosya.services.turnos.routes import appointments, schedules, slots

ROUTERS = (schedules.routes, slots.routes, appointments.routes)
