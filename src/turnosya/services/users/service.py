"""Users: people, credentials and preferences."""

from turnosya.contracts import business, chat, files, notification, turnos
from turnosya.contracts.auth import EndSessions, SessionsClosed, SessionsEnded, SetRoles, UseCode
from turnosya.contracts.users import (
    CheckPassword,
    CredentialsChanged,
    DropDevice,
    EmailConfirmationRequested,
    FindByPhone,
    GetAdmins,
    GetBlocked,
    GetPeople,
    GetReach,
    KeepBlocked,
    NotificationSettingsChanged,
    PersonChanged,
    PersonErased,
    PhoneChanged,
    RolesChanged,
    SecurityNoted,
    TellErasuresAgain,
    UserRegistered,
)
from turnosya.runtime.service import Recurs, Service
from turnosya.services.users import blocking, credentials, erasure, export, people, reach, roles
from turnosya.services.users.context import Users
from turnosya.services.users.routes import accounts as account_routes
from turnosya.services.users.routes import erasure as erasure_routes
from turnosya.services.users.routes import proofs as proof_routes
from turnosya.services.users.routes import reach as reach_routes
from turnosya.services.users.settings import UsersSettings

service = Service(
    name="users",
    open=Users.open,
    settings=UsersSettings,
    answers=[
        CheckPassword.answered_by(credentials.check),
        GetPeople.answered_by(people.find_people),
        GetAdmins.answered_by(people.find_admins),
        FindByPhone.answered_by(people.find_by_phone),
        GetReach.answered_by(reach.find),
        DropDevice.answered_by(reach.device_is_gone),
        KeepBlocked.answered_by(blocking.keep),
        GetBlocked.answered_by(blocking.all_blocked),
        TellErasuresAgain.answered_by(erasure.tell_again),
    ],
    hears=[
        # Our own facts: what auth must do about them is repeated until auth has answered.
        CredentialsChanged.heard_by(credentials.end_sessions),
        RolesChanged.heard_by(roles.tell_auth),
        SessionsEnded.heard_by(reach.sessions_over),
        SessionsClosed.heard_by(reach.sessions_over),
        PersonErased.heard_by(erasure.tell_auth),
        business.PersonForgotten.heard_by(erasure.hear),
        turnos.PersonForgotten.heard_by(erasure.hear),
        notification.PersonForgotten.heard_by(erasure.hear),
        chat.PersonForgotten.heard_by(erasure.hear),
        files.PersonForgotten.heard_by(erasure.hear),
        files.FileGone.heard_by(people.photo_is_gone),
    ],
    asks=[UseCode, EndSessions, SetRoles, files.GetFiles, *export.ASKED.values()],
    tells=[
        UserRegistered,
        PersonChanged,
        CredentialsChanged,
        NotificationSettingsChanged,
        RolesChanged,
        PhoneChanged,
        EmailConfirmationRequested,
        PersonErased,
        SecurityNoted,
        files.FileUsed,
        files.FileReleased,
    ],
    web=[reach_routes.routes, proof_routes.routes, erasure_routes.routes, account_routes.routes],
    recurs=[Recurs(TellErasuresAgain(), every_s=60)],
    migrations="turnosya.services.users.migrations",
)
