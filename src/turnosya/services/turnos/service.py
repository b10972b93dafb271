"""Turnos: schedules, what is offered, and appointments that are never given twice."""

from importlib.metadata import version

from turnosya.contracts.business import BusinessChanged, GetBusiness
from turnosya.contracts.jobs import ScheduleRequested
from turnosya.contracts.turnos import (
    AgendaRearranged,
    AnswerLink,
    ApplyBusiness,
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
    BeginSecondRound,
    CompleteOver,
    ExpireOffer,
    ExpirePending,
    FollowBusiness,
    FollowZoneRules,
    GetCards,
    GetFreeOn,
    GetHeld,
    GetOpening,
    GetOpenNow,
    GetVisits,
    OffersWanted,
    PersonForgotten,
    ProposalDeclined,
    ProposalExpired,
    SeriesBooked,
    WaitlistOffered,
)
from turnosya.contracts.users import GetPeople, PersonErased
from turnosya.runtime.service import Recurs, Service
from turnosya.services.turnos import (
    agenda,
    answering,
    candidates,
    completing,
    copies,
    erasure,
    lapsing,
    offers,
    opening,
    rounds,
    standing,
    zone_rules,
)
from turnosya.services.turnos.context import Turnos
from turnosya.services.turnos.routes import ROUTERS
from turnosya.services.turnos.settings import TurnosSettings

service = Service(
    name="turnos",
    open=Turnos.open,
    settings=TurnosSettings,
    answers=[
        ApplyBusiness.answered_by(copies.apply),
        FollowBusiness.answered_by(copies.follow_at_once),
        GetVisits.answered_by(agenda.visits),
        GetOpenNow.answered_by(candidates.open_now),
        GetOpening.answered_by(opening.opening),
        GetFreeOn.answered_by(candidates.free_on),
        GetCards.answered_by(standing.cards),
        ExpirePending.answered_by(lapsing.expire_pending),
        ExpireOffer.answered_by(offers.expire_offer),
        BeginSecondRound.answered_by(rounds.begin_second),
        CompleteOver.answered_by(completing.complete_over),
        FollowZoneRules.answered_by(zone_rules.follow),
        AnswerLink.answered_by(answering.answer_by_message),
        GetHeld.answered_by(erasure.held),
    ],
    hears=[
        BusinessChanged.heard_by(copies.follow),
        OffersWanted.heard_by(rounds.offer_others),
        PersonErased.heard_by(erasure.forget),
    ],
    asks=[GetBusiness, GetPeople],
    tells=[
        AppointmentBooked,
        AppointmentRequested,
        AppointmentConfirmed,
        AppointmentMoved,
        AgendaRearranged,
        SeriesBooked,
        AppointmentCancelled,
        AppointmentExpired,
        AppointmentCompleted,
        AppointmentMissed,
        AppointmentAnchored,
        AppointmentProposed,
        AppointmentUnplaced,
        OffersWanted,
        ProposalDeclined,
        ProposalExpired,
        AppointmentRestored,
        WaitlistOffered,
        ScheduleRequested,
        PersonForgotten,
    ],
    web=ROUTERS,
    migrations="turnosya.services.turnos.migrations",
    runs=[copies.take_back_forever],
    recurs=[
        Recurs(CompleteOver(), every_s=300),
        # A release may bring new rules; else some times a year, with months of notice.
        Recurs(FollowZoneRules(), cron="17 7 * * *", revision=version("tzdata")),
    ],
)
