"""Business: who offers what, where, and who works there."""

from turnosya.contracts.business import (
    BusinessChanged,
    BusinessSuspended,
    GetBusiness,
    GetHeld,
    InviteRating,
    PersonForgotten,
    RatingInvited,
    RatingRemoved,
    SecurityNoted,
    SuspensionLifted,
    TendVerifications,
    VerificationApproved,
    VerificationEndedByName,
    VerificationExpired,
    VerificationExpiring,
    VerificationRejected,
    VerificationRequested,
    VerificationRevoked,
)
from turnosya.contracts.files import FileGone, FileReleased, FileUsed, GetFiles
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
from turnosya.runtime.service import Recurs, Service
from turnosya.services.business import erasure, invitations, papers, pictures, profile
from turnosya.services.business.context import Businesses
from turnosya.services.business.routes import offers, opening, page, ratings, staff, suspension, verification
from turnosya.services.business.routes import pictures as picture_routes
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
        TendVerifications.answered_by(papers.tend),
    ],
    hears=[
        PersonErased.heard_by(erasure.forget),
        AppointmentCompleted.heard_by(invitations.later),
        FileGone.heard_by(pictures.gone),
    ],
    asks=[GetFiles, GetPeople, GetVisits, GetOpening, GetOpenNow, GetFreeOn, ApplyBusiness, FollowBusiness],
    tells=[
        BusinessChanged,
        BusinessSuspended,
        SuspensionLifted,
        FileUsed,
        FileReleased,
        RatingInvited,
        RatingRemoved,
        VerificationRequested,
        VerificationApproved,
        VerificationRejected,
        VerificationExpiring,
        VerificationExpired,
        VerificationRevoked,
        VerificationEndedByName,
        ScheduleRequested,
        PersonForgotten,
        SecurityNoted,
    ],
    web=[
        verification.queue_routes,
        ratings.queue_routes,
        profile_routes.routes,
        offers.routes,
        staff.routes,
        picture_routes.routes,
        verification.routes,
        ratings.routes,
        suspension.routes,
        opening.routes,
        page.routes,
    ],
    recurs=[Recurs(TendVerifications(), every_s=3600)],
    migrations="turnosya.services.business.migrations",
)
