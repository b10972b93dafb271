"""Users: people, credentials and preferences."""

from turnosya.contracts.auth import EndSessions, SetRoles, UseCode
from turnosya.contracts.users import (
    CheckPassword,
    CredentialsChanged,
    FindByPhone,
    GetBlocked,
    GetPeople,
    KeepBlocked,
    PersonChanged,
    RolesChanged,
    UserRegistered,
)
from turnosya.runtime.service import Service
from turnosya.services.users import blocking, credentials, people, roles, routes
from turnosya.services.users.context import Users
from turnosya.services.users.settings import UsersSettings

service = Service(
    name="users",
    open=Users.open,
    settings=UsersSettings,
    answers=[
        CheckPassword.answered_by(credentials.check),
        GetPeople.answered_by(people.find_people),
        FindByPhone.answered_by(people.find_by_phone),
        KeepBlocked.answered_by(blocking.keep),
        GetBlocked.answered_by(blocking.all_blocked),
    ],
    # Our own facts: what auth must do about them is repeated until auth has answered.
    hears=[
        CredentialsChanged.heard_by(credentials.end_sessions),
        RolesChanged.heard_by(roles.tell_auth),
    ],
    asks=[UseCode, EndSessions, SetRoles],
    tells=[UserRegistered, PersonChanged, CredentialsChanged, RolesChanged],
    web=[routes.routes],
    migrations="turnosya.services.users.migrations",
)
