"""The SQL of how people are told: what they chose, and their devices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, any_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from turnosya.contracts.users import Device, NotificationSettings, QuietHours, Reach
from turnosya.runtime.database import Transaction
from turnosya.services.users.tables import devices, notification_settings, people

_CHOSEN = notification_settings.c
_SETTINGS = select(people.c.id, notification_settings).outerjoin(
    notification_settings, _CHOSEN.user_id == people.c.id
)
_LATEST_FIRST = (devices.c.seen_at.desc(), devices.c.token)
_REACHES = (
    select(people.c.id, notification_settings, devices.c.token, devices.c.platform, devices.c.subscription)
    .select_from(
        people.outerjoin(notification_settings, _CHOSEN.user_id == people.c.id).outerjoin(
            devices, devices.c.user_id == people.c.id
        )
    )
    .where(people.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(*_LATEST_FIRST)
)


async def settings_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, NotificationSettings]:
    """What each of those that exist chose, or the defaults."""
    rows = await tx.execute(_SETTINGS.where(people.c.id.in_(ids)))
    return {row.id: _settings(row) for row in rows}


async def reaches_of(tx: Transaction, ids: Sequence[UUID]) -> list[Reach]:
    """What each of those that exist chose, and their devices, the latest first."""
    found: dict[UUID, Reach] = {}
    for row in await tx.execute(_REACHES, {"ids": list(ids)}):
        reach = found.setdefault(row.id, Reach(user_id=row.id, settings=_settings(row), devices=[]))
        if row.token is not None:
            reach.devices.append(_device(row))
    return list(found.values())


def _settings(row: Row[Any]) -> NotificationSettings:
    if row.user_id is None:
        return NotificationSettings()
    return NotificationSettings(
        push=row.push,
        email=row.email,
        whatsapp_important=row.whatsapp_important,
        reminder_minutes_before=row.reminder_minutes_before,
        quiet_hours=row.quiet_from and QuietHours(start=row.quiet_from, end=row.quiet_to),
    )


def _device(row: Row[Any]) -> Device:
    return Device(token=row.token, platform=row.platform, subscription=row.subscription)


async def write_settings(tx: Transaction, user_id: UUID, settings: NotificationSettings) -> None:
    """Puts these in place of what was chosen before."""
    quiet = settings.quiet_hours
    values = {
        **settings.model_dump(exclude={"quiet_hours"}),
        "quiet_from": quiet and quiet.start,
        "quiet_to": quiet and quiet.end,
    }
    await tx.execute(
        insert(notification_settings)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=[notification_settings.c.user_id], set_=values)
    )


async def devices_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, list[Device]]:
    """The devices of these people, the latest first."""
    rows = await tx.execute(select(devices).where(devices.c.user_id.in_(ids)).order_by(*_LATEST_FIRST))
    found: dict[UUID, list[Device]] = {}
    for row in rows:
        found.setdefault(row.user_id, []).append(_device(row))
    return found


async def add_device(
    tx: Transaction, user_id: UUID, session_id: UUID, *, device: Device, at: datetime, most: int
) -> None:
    """Keeps a device, whosever it was before; beyond ``most`` the one not seen for longest goes."""
    values = {
        "user_id": user_id,
        "session_id": session_id,
        "platform": device.platform,
        "subscription": device.subscription,
        "seen_at": at,
    }
    await tx.execute(
        insert(devices)
        .values(token=device.token, **values)
        .on_conflict_do_update(index_elements=[devices.c.token], set_=values)
    )
    kept = select(devices.c.token).where(devices.c.user_id == user_id).order_by(*_LATEST_FIRST).limit(most)
    await tx.execute(delete(devices).where(devices.c.user_id == user_id, devices.c.token.not_in(kept)))


async def drop_device(tx: Transaction, token: str, *, user_id: UUID | None = None) -> None:
    """Forgets a device; with ``user_id`` only if it is theirs."""
    whose = () if user_id is None else (devices.c.user_id == user_id,)
    await tx.execute(delete(devices).where(devices.c.token == token, *whose))


async def drop_devices_of(tx: Transaction, user_id: UUID, session_ids: Sequence[UUID]) -> None:
    """Forgets the devices that somebody added, or was last seen with, in these sessions."""
    statement = delete(devices).where(devices.c.user_id == user_id, devices.c.session_id.in_(session_ids))
    await tx.execute(statement)
