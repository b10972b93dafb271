"""Auth: codes, tokens, sessions, blocked users and signing keys."""

from turnosya.contracts.auth import (
    AccessChanged,
    AccessHeartbeat,
    CodeRequested,
    EndSessions,
    GetAccess,
    GetHeld,
    GetSigningKeys,
    SecurityNoted,
    SessionsClosed,
    SessionsEnded,
    SetRoles,
    SignedIn,
    UseCode,
)
from turnosya.contracts.users import CheckPassword, GetBlocked, KeepBlocked
from turnosya.runtime.service import Service
from turnosya.services.auth import access, keys, link_routes, otp, relay, routes, sessions
from turnosya.services.auth.context import Auth
from turnosya.services.auth.settings import AuthSettings

service = Service(
    name="auth",
    open=Auth.open,
    settings=AuthSettings,
    answers=[
        UseCode.answered_by(otp.use_code),
        GetSigningKeys.answered_by(keys.signing_keys),
        GetAccess.answered_by(access.snapshot),
        EndSessions.answered_by(access.end_sessions),
        SetRoles.answered_by(access.set_roles),
        GetHeld.answered_by(sessions.held),
    ],
    asks=[CheckPassword, KeepBlocked, GetBlocked],
    tells=[
        AccessChanged,
        AccessHeartbeat,
        CodeRequested,
        SignedIn,
        SessionsEnded,
        SessionsClosed,
        SecurityNoted,
    ],
    web=[routes.web, link_routes.web, routes.inside],
    redis=True,
    runs=[relay.run, access.heartbeats],
    ready=access.ready,
)
