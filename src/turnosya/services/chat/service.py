"""Chat: conversations between clients and businesses, numbered without a gap, live on any copy."""

from turnosya.contracts.auth import AccessChanged, GetAccess
from turnosya.contracts.business import BusinessChanged, GetBusiness
from turnosya.contracts.chat import (
    ClientWrote,
    ConversationMoved,
    DropOld,
    GetHeld,
    GetMembership,
    MessageWaiting,
    PersonForgotten,
    TypingShown,
)
from turnosya.contracts.files import FileReleased, FileUsed, GetFiles
from turnosya.contracts.notification import ReplyReceived
from turnosya.contracts.turnos import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentMoved,
    GetCards,
    GetOpenNow,
)
from turnosya.contracts.users import GetPeople, PersonChanged, PersonErased
from turnosya.runtime.service import Recurs, Service
from turnosya.services.chat import automatic, erasure, shops, showing, telling
from turnosya.services.chat import conversations as conversations_of
from turnosya.services.chat.context import Chat
from turnosya.services.chat.routes import conversations, messages, page
from turnosya.services.chat.routes import shops as shop_routes
from turnosya.services.chat.settings import ChatSettings
from turnosya.services.chat.sockets.server import SocketServer

service = Service(
    name="chat",
    open=Chat.open,
    settings=ChatSettings,
    answers=[
        GetHeld.answered_by(erasure.held),
        GetMembership.answered_by(conversations_of.membership),
        DropOld.answered_by(telling.drop_old),
    ],
    hears=[
        BusinessChanged.heard_by(shops.follow),
        PersonChanged.heard_by(erasure.rename),
        PersonErased.heard_by(erasure.forget),
        ReplyReceived.heard_by(automatic.hear_reply),
        ClientWrote.heard_by(automatic.answer_if_away),
        AppointmentBooked.heard_by(automatic.tell_of_turno),
        AppointmentConfirmed.heard_by(automatic.tell_of_turno),
        AppointmentMoved.heard_by(automatic.tell_of_turno),
        AppointmentCancelled.heard_by(automatic.tell_of_turno),
        AccessChanged.heard_by(showing.access_changed, every_copy=True),
        ConversationMoved.heard_by(showing.moved, every_copy=True),
        TypingShown.heard_by(showing.typing, every_copy=True),
    ],
    asks=[GetAccess, GetBusiness, GetFiles, GetPeople, GetOpenNow, GetCards],
    tells=[
        ClientWrote,
        MessageWaiting,
        PersonForgotten,
        ConversationMoved,
        TypingShown,
        FileUsed,
        FileReleased,
    ],
    web=[conversations.routes, messages.routes, shop_routes.routes, page.routes],
    beside={"/socket.io": SocketServer},
    runs=[
        showing.sweep_forever,
        showing.store_reached_forever,
        showing.judge_forever,
        telling.tell_forever,
    ],
    recurs=[Recurs(DropOld(), every_s=3600)],
    migrations="turnosya.services.chat.migrations",
)
