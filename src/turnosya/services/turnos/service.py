"""Turnos: schedules, what is offered, and appointments that are never given twice."""

from turnosya.contracts.business import BusinessChanged, GetBusiness
from turnosya.contracts.jobs import ScheduleRequested
from turnosya.contracts.turnos import (
    ApplyBusiness,
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentExpired,
    AppointmentMissed,
    AppointmentMoved,
    AppointmentRequested,
    ExpirePending,
    GetVisits,
)
from turnosya.contracts.users import GetPeople
from turnosya.runtime.service import Service
from turnosya.services.turnos import agenda, copies, lapsing
from turnosya.services.turnos.context import Turnos
from turnosya.services.turnos.routes import ROUTERS
from turnosya.services.turnos.settings import TurnosSettings

service = Service(
    name="turnos",
    open=Turnos.open,
    settings=TurnosSettings,
    answers=[
        ApplyBusiness.answered_by(copies.apply),
        GetVisits.answered_by(agenda.visits),
        ExpirePending.answered_by(lapsing.expire_pending),
    ],
    hears=[BusinessChanged.heard_by(copies.follow)],
    asks=[GetBusiness, GetPeople],
    tells=[
        AppointmentBooked,
        AppointmentRequested,
        AppointmentConfirmed,
        AppointmentMoved,
        AppointmentCancelled,
        AppointmentExpired,
        AppointmentCompleted,
        AppointmentMissed,
        ScheduleRequested,
    ],
    web=ROUTERS,
    migrations="turnosya.services.turnos.migrations",
    runs=[copies.take_back_forever],
)
