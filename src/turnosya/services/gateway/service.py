"""The gateway: what it hears and asks. It serves every path, by handing it on."""

from turnosya.contracts.auth import AccessChanged, AccessHeartbeat, GetAccess
from turnosya.contracts.gateway import SecurityNoted
from turnosya.runtime.service import Service
from turnosya.services.gateway import hearing
from turnosya.services.gateway.context import Gateway
from turnosya.services.gateway.listener import ListenerConfig
from turnosya.services.gateway.settings import GatewaySettings

service = Service(
    name="gateway",
    open=Gateway.open,
    settings=GatewaySettings,
    hears=[
        AccessChanged.heard_by(hearing.access_changed, every_copy=True),
        AccessHeartbeat.heard_by(hearing.heartbeat, every_copy=True),
    ],
    asks=[GetAccess],
    tells=[SecurityNoted],
    asgi=lambda gateway: gateway.front,
    listener=lambda gateway: ListenerConfig(gateway.front, gateway.front.doorway),
    redis=True,
    runs=[hearing.catch_up, hearing.tell_refusals],
    ready=hearing.has_caught_up,
)
