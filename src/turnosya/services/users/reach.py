"""How people want to be told, and the devices where a push message reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.auth import SessionsClosed, SessionsEnded
from turnosya.contracts.users import (
    Device,
    DropDevice,
    GetReach,
    NotificationSettings,
    NotificationSettingsChanged,
    Reaches,
)
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import NotFound, Nothing
from turnosya.services.users.store import accounts, reach

if TYPE_CHECKING:
    from turnosya.services.users.context import Users

# More than anybody carries; a client that makes a new token at each start must not fill the table.
DEVICES = 20


async def settings(users: Users, user_id: UUID) -> NotificationSettings:
    """What somebody chose, or the defaults. NotFound if there is no such account."""
    async with users.db.read() as tx:
        found = await reach.settings_of(tx, [user_id])
    if user_id not in found:
        raise NotFound
    return found[user_id]


async def choose(users: Users, user_id: UUID, chosen: NotificationSettings) -> NotificationSettings:
    """Puts these in place of what was chosen before. NotFound if there is no such account."""
    async with users.db.transaction() as tx:
        if await accounts.lock(tx, user_id) is None:
            raise NotFound
        await reach.write_settings(tx, user_id, chosen)
        await tx.publish(NotificationSettingsChanged(user_id=user_id, settings=chosen))
    return chosen


async def add_device(users: Users, user_id: UUID, session_id: UUID, *, device: Device) -> None:
    """Push messages reach somebody there, and nobody else, while this session lasts.

    NotFound without an account.
    """
    async with users.db.transaction() as tx:
        # The lock also keeps two devices that come at once from both staying beyond the limit.
        if await accounts.lock(tx, user_id) is None:
            raise NotFound
        await reach.add_device(tx, user_id, session_id, device=device, at=real_now(), most=DEVICES)


async def drop_device(users: Users, user_id: UUID, token: str) -> None:
    """Forgets one of somebody's own devices; nothing if it is not theirs."""
    async with users.db.transaction() as tx:
        await reach.drop_device(tx, token, user_id=user_id)


async def sessions_over(users: Users, event: SessionsEnded | SessionsClosed) -> None:
    """Who is signed out, or lost a telephone, is not to be read about there."""
    async with users.db.transaction() as tx:
        await reach.drop_devices_of(tx, event.user_id, event.session_ids)


async def find(users: Users, request: GetReach) -> Reaches:
    """How each of the asked that exist is told."""
    async with users.db.read() as tx:
        return Reaches(items=await reach.reaches_of(tx, request.ids))


async def device_is_gone(users: Users, request: DropDevice) -> Nothing:
    """A provider said so; nothing if it is not known."""
    async with users.db.transaction() as tx:
        await reach.drop_device(tx, request.token)
    return Nothing()
