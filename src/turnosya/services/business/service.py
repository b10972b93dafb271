"""Business: who offers what, where, and who works there."""

from turnosya.contracts.business import (
    BusinessChanged,
    BusinessSuspended,
    GetBusiness,
    GetHeld,
    InviteRating,
    PersonForgotten,
    RatingInvited,
    SecurityNoted,
    SuspensionLifted,
)
from turnosya.contracts.jobs import ScheduleRequested
from turnosya.contracts.turnos import (
    ApplyBusiness,
    AppointmentCompleted,
    FollowBusiness,
    GetFreeOn,
    GetOpening,
    GetOpenNow,
    GetVisits,
)
from turnosya.contracts.users import GetPeople, PersonErased
from turnosya.runtime.service import Service
from turnosya.services.business import erasure, invitations, profile
from turnosya.services.business.context import Businesses
from turnosya.services.business.routes import offers, opening, page, ratings, staff, suspension
from turnosya.services.business.routes import profile as profile_routes
from turnosya.services.business.settings import BusinessSettings

service = Service(
    name="business",
    open=Businesses.open,
    settings=BusinessSettings,
    answers=[
        GetBusiness.answered_by(profile.tell),
        GetHeld.answered_by(erasure.held),
        InviteRating.answered_by(invitations.invite),
    ],
    hears=[PersonErased.heard_by(erasure.forget), AppointmentCompleted.heard_by(invitations.later)],
    asks=[GetPeople, GetVisits, GetOpening, GetOpenNow, GetFreeOn, ApplyBusiness, FollowBusiness],
    tells=[
        BusinessChanged,
        BusinessSuspended,
        SuspensionLifted,
        RatingInvited,
        ScheduleRequested,
        PersonForgotten,
        SecurityNoted,
    ],
    web=[
        profile_routes.routes,
        offers.routes,
        staff.routes,
        ratings.routes,
        suspension.routes,
        opening.routes,
        page.routes,
    ],
    migrations="turnosya.services.business.migrations",
)
