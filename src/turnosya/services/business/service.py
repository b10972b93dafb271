"""Business: who offers what, where, and who works there."""

from turnosya.contracts.business import BusinessChanged, GetBusiness
from turnosya.contracts.turnos import ApplyBusiness, FollowBusiness
from turnosya.contracts.users import GetPeople
from turnosya.runtime.service import Service
from turnosya.services.business import profile
from turnosya.services.business.context import Businesses
from turnosya.services.business.routes import offers, staff
from turnosya.services.business.routes import profile as profile_routes
from turnosya.services.business.settings import BusinessSettings

service = Service(
    name="business",
    open=Businesses.open,
    settings=BusinessSettings,
    answers=[GetBusiness.answered_by(profile.tell)],
    asks=[GetPeople, ApplyBusiness, FollowBusiness],
    tells=[BusinessChanged],
    web=[profile_routes.routes, offers.routes, staff.routes],
    migrations="turnosya.services.business.migrations",
)
