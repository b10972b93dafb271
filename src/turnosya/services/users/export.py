"""Everything that is held about a person, asked of every service that holds something."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts import auth, business, chat, checks, files, notification, turnos
from turnosya.contracts.users import Held
from turnosya.runtime.messages import NotFound, Rpc
from turnosya.services.users.store import accounts, proofs, reach

if TYPE_CHECKING:
    from turnosya.services.users.context import Users

Records = dict[str, list[dict[str, Any]]]

Ask = type[
    auth.GetHeld
    | business.GetHeld
    | turnos.GetHeld
    | notification.GetHeld
    | chat.GetHeld
    | files.GetHeld
    | checks.GetHeld
]
ASKED: Mapping[str, Ask] = {
    "auth": auth.GetHeld,
    "business": business.GetHeld,
    "turnos": turnos.GetHeld,
    "notification": notification.GetHeld,
    "chat": chat.GetHeld,
    "files": files.GetHeld,
    "checks": checks.GetHeld,
}
"""Who is asked; a service that begins to hold something about people is added here."""


async def export(users: Users, user_id: UUID) -> dict[str, Records]:
    """By service, then by kind of record. Raises ``Unavailable`` while one of them is away."""
    own = await _own(users, user_id)
    found = await asyncio.gather(*(_asked(users, kind(user_id=user_id)) for kind in ASKED.values()))
    return {"users": own, **dict(zip(ASKED, found, strict=True))}


async def _asked(users: Users, request: Rpc[Held]) -> Records:
    found: Records = {}
    while True:
        held = await users.bus.call(request)
        for kind, records in held.records.items():
            found.setdefault(kind, []).extend(records)
        if held.more_after is None:
            return found
        request = request.model_copy(update={"after": held.more_after})


async def _own(users: Users, user_id: UUID) -> Records:
    async with users.db.read() as tx:
        account = await accounts.find(tx, user_id)
        if account is None:
            raise NotFound
        settings = await reach.settings_of(tx, [user_id])
        devices = await reach.devices_of(tx, [user_id])
        changes = await proofs.changes_of(tx, user_id)
        confirmation = await proofs.find_confirmation(tx, user_id)
    profile = {
        "id": str(account.id),
        "phone": account.phone,
        "name": account.name,
        "email": account.email,
        "locale": account.locale,
        "roles": account.roles,
        "photo_file_id": account.photo_file_id and str(account.photo_file_id),
        "created_at": account.created_at.isoformat(),
    }
    return {
        "profile": [profile],
        "notification_settings": [one.model_dump(mode="json") for one in settings.values()],
        "devices": [one.model_dump(mode="json") for one in devices.get(user_id, [])],
        "phone_changes": [
            {"previous_phone": one.previous_phone, "changed_at": one.changed_at.isoformat()}
            for one in changes
        ],
        "email_confirmations": [
            {"email": one.email, "confirmed_at": one.confirmed_at and one.confirmed_at.isoformat()}
            for one in [confirmation]
            if one is not None
        ],
    }
