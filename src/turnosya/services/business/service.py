"""Business: who offers what, where, and who works there."""

from turnosya.contracts.business import (
    BusinessChanged,
    BusinessSuspended,
    GetBusiness,
    GetHeld,
    PersonForgotten,
    SecurityNoted,
    SuspensionLifted,
)
from turnosya.contracts.turnos import (
    ApplyBusiness,
    FollowBusiness,
    GetFreeOn,
    GetOpening,
    GetOpenNow,
    GetVisits,
)
from turnosya.contracts.users import GetPeople, PersonErased
from turnosya.runtime.service import Service
from turnosya.services.business import erasure, profile
from turnosya.services.business.context import Businesses
from turnosya.services.business.routes import offers, opening, page, ratings, staff, suspension
from turnosya.services.business.routes import profile as profile_routes
from turnosya.services.business.settings import BusinessSettings

service = Service(
    name="business",
    open=Businesses.open,
    settings=BusinessSettings,
    answers=[GetBusiness.answered_by(profile.tell), GetHeld.answered_by(erasure.held)],
    hears=[PersonErased.heard_by(erasure.forget)],
    asks=[GetPeople, GetVisits, GetOpening, GetOpenNow, GetFreeOn, ApplyBusiness, FollowBusiness],
    tells=[BusinessChanged, BusinessSuspended, SuspensionLifted, PersonForgotten, SecurityNoted],
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
