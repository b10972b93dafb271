"""Notification: hears what happened and tells people, each once, on a channel and in a language of theirs."""

from turnosya.contracts.auth import CodeRequested, SessionsEnded, SignedIn
from turnosya.contracts.notification import GetHeld, PersonForgotten
from turnosya.contracts.turnos import (
    AgendaRearranged,
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentExpired,
    AppointmentMissed,
    AppointmentMoved,
    AppointmentProposed,
    AppointmentRequested,
    AppointmentRestored,
    AppointmentUnplaced,
    ProposalDeclined,
    ProposalExpired,
    SeriesBooked,
    WaitlistOffered,
)
from turnosya.contracts.users import (
    DropDevice,
    EmailConfirmationRequested,
    FindByPhone,
    GetPeople,
    GetReach,
    PersonErased,
    PhoneChanged,
    UserRegistered,
)
from turnosya.runtime.service import Service
from turnosya.services.notification import (
    accounts,
    appointments,
    codes,
    delivery,
    erasure,
    routes,
    together,
    webhook_routes,
)
from turnosya.services.notification.context import CODES, Notification
from turnosya.services.notification.settings import NotificationSettings

service = Service(
    name="notification",
    open=Notification.open,
    settings=NotificationSettings,
    hears=[
        # Codes have a lane of their own: ten thousand reminders do not delay one.
        CodeRequested.heard_by(codes.send, lane=CODES),
        UserRegistered.heard_by(accounts.welcome),
        SignedIn.heard_by(accounts.signed_in),
        SessionsEnded.heard_by(accounts.sessions_ended),
        PhoneChanged.heard_by(accounts.phone_changed),
        EmailConfirmationRequested.heard_by(accounts.confirm_email),
        PersonErased.heard_by(erasure.forget),
        AppointmentBooked.heard_by(appointments.tell),
        AppointmentRequested.heard_by(appointments.tell),
        AppointmentConfirmed.heard_by(appointments.tell),
        AppointmentMoved.heard_by(appointments.tell),
        AppointmentCancelled.heard_by(appointments.tell),
        AppointmentExpired.heard_by(appointments.tell),
        AppointmentCompleted.heard_by(appointments.tell),
        AppointmentMissed.heard_by(appointments.tell),
        AppointmentProposed.heard_by(appointments.tell),
        AppointmentUnplaced.heard_by(appointments.tell),
        ProposalDeclined.heard_by(appointments.tell),
        ProposalExpired.heard_by(appointments.tell),
        AppointmentRestored.heard_by(appointments.tell),
        WaitlistOffered.heard_by(appointments.tell),
        SeriesBooked.heard_by(together.tell_of_series),
        AgendaRearranged.heard_by(together.tell_of_rearranged),
    ],
    answers=[GetHeld.answered_by(erasure.held)],
    asks=[GetPeople, FindByPhone, GetReach, DropDevice],
    tells=[PersonForgotten],
    web=[routes.routes, webhook_routes.routes],
    runs=[
        delivery.send_codes,
        delivery.send_whatsapp,
        delivery.send_cards,
        delivery.send_mail,
        delivery.watch,
        delivery.forget,
    ],
    migrations="turnosya.services.notification.migrations",
)
