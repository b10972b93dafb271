"""A person as such: what notification holds about them, and forgetting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from turnosya.contracts.notification import GetHeld, PersonForgotten
from turnosya.contracts.users import Held, PersonErased
from turnosya.services.notification.store import people as store
from turnosya.services.notification.store import reminders as reminder_store

if TYPE_CHECKING:
    from turnosya.services.notification.context import Notification

HOLDS: Mapping[str, str] = {
    "deliveries": "exported; deleted, and their name taken out of what others were told of them",
    "kept_turnos": "a copy of their turnos that reminders are made of; deleted",
    "agendas": "when they are told of their own businesses; deleted",
    "agenda_settings": "when they want that; exported; deleted",
    "messages": "what development shows of those deliveries; goes with them",
}
"""Every table with a column that names a person, and what becomes of it."""

_NOBODY = "—"


async def held(notification: Notification, request: GetHeld) -> Held:
    """What somebody was told; the codes themselves are not among it."""
    async with notification.db.read() as tx:
        found = await store.told(tx, request.user_id)
        times = await reminder_store.agenda_times(tx, [request.user_id])
    records = {"messages": [_shown(one) for one in found]}
    if request.user_id in times:
        records["agenda_settings"] = [asdict(times[request.user_id])]
    return Held(records=records)


def _shown(delivery: Mapping[str, Any]) -> dict[str, Any]:
    ended_at = delivery["ended_at"]
    times = {
        "created_at": delivery["created_at"].isoformat(),
        "ended_at": None if ended_at is None else ended_at.isoformat(),
    }
    return {**delivery, **times}


async def forget(notification: Notification, event: PersonErased) -> None:
    """Deletes what an erased person was told, and their name in what others were."""
    async with notification.db.transaction() as tx:
        await store.forget_person(tx, event.user_id, nobody=_NOBODY)
        await tx.publish(PersonForgotten(user_id=event.user_id, key=event.key))
