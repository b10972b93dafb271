"""Notification: hears what happened and tells people, each once, on a channel and in a language of theirs."""

from turnosya.contracts.auth import CodeRequested, SessionsEnded, SignedIn
from turnosya.contracts.business import BusinessSuspended, RatingInvited, SuspensionLifted
from turnosya.contracts.chat import MessageWaiting
from turnosya.contracts.checks import AlertCleared, AlertRaised
from turnosya.contracts.jobs import ScheduleCancelled, ScheduleRequested
from turnosya.contracts.notification import (
    AskForReminders,
    ForgetOld,
    GetHeld,
    PersonForgotten,
    ReplyReceived,
    SendReminders,
    WordReceived,
)
from turnosya.contracts.turnos import (
    AgendaRearranged,
    AnswerLink,
    AppointmentAnchored,
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
    GetAdmins,
    GetPeople,
    GetReach,
    NotificationSettingsChanged,
    PersonErased,
    PhoneChanged,
    UserRegistered,
)
from turnosya.runtime.service import Recurs, Service
from turnosya.services.notification import (
    accounts,
    agenda_routes,
    alerts,
    appointments,
    businesses,
    codes,
    delivery,
    erasure,
    reminders,
    replies,
    routes,
    talks,
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
        NotificationSettingsChanged.heard_by(reminders.chosen),
        WordReceived.heard_by(replies.hear),
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
        AppointmentAnchored.heard_by(reminders.anchored),
        WaitlistOffered.heard_by(appointments.tell),
        SeriesBooked.heard_by(together.tell_of_series),
        AgendaRearranged.heard_by(together.tell_of_rearranged),
        MessageWaiting.heard_by(talks.tell),
        BusinessSuspended.heard_by(businesses.tell),
        SuspensionLifted.heard_by(businesses.tell),
        RatingInvited.heard_by(businesses.invite),
        AlertRaised.heard_by(alerts.tell),
        AlertCleared.heard_by(alerts.tell),
    ],
    answers=[
        GetHeld.answered_by(erasure.held),
        SendReminders.answered_by(reminders.send_due),
        AskForReminders.answered_by(reminders.ask_again),
        ForgetOld.answered_by(delivery.forget),
    ],
    asks=[GetPeople, GetAdmins, FindByPhone, GetReach, DropDevice, AnswerLink],
    tells=[PersonForgotten, ReplyReceived, WordReceived, ScheduleRequested, ScheduleCancelled],
    web=[routes.routes, webhook_routes.routes, agenda_routes.routes],
    runs=[
        delivery.send_codes,
        delivery.send_whatsapp,
        delivery.send_cards,
        delivery.send_mail,
        delivery.watch,
    ],
    recurs=[Recurs(AskForReminders(), every_s=3600), Recurs(ForgetOld(), every_s=60)],
    migrations="turnosya.services.notification.migrations",
)
