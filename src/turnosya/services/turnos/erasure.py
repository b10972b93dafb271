"""A client as a person: what turnos holds about them, and making their turnos nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.contracts.turnos import GetHeld, PersonForgotten
from turnosya.contracts.users import Held, PersonErased
from turnosya.runtime.database import Transaction
from turnosya.services.turnos import freeing, telling
from turnosya.services.turnos.closure_resources import proposal_resource, waiting_resource
from turnosya.services.turnos.resources import appointment_resource
from turnosya.services.turnos.store import clients, closures, links, preferences, seats, shops, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.store.links import CalendarLink
from turnosya.services.turnos.turno import ACTIVE, LIVE, Status, Turno, What

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

HOLDS: Mapping[str, str] = {
    "appointments": "exported; the client's id, name, number and words are taken off, what was to come is"
    " cancelled",
    "preferences": "exported; deleted",
    "calendar_links": "exported; deleted",
    "proposals": "exported; the client's id is taken off, an open one is withdrawn",
    "waiting": "exported; deleted",
    "closures": "kept: who closed is the record of the business, by an id that is nobody's any more",
}
"""Every table with a column that names a person, and what becomes of it."""

# The table wants a client; this is how one without a name is written everywhere.
_NOBODY = "—"


async def held(turnos: Turnos, request: GetHeld) -> Held:
    """Every turno of a client, as they see it."""
    async with turnos.db.read() as tx:
        found = await clients.turnos_of(tx, request.user_id)
        preferred = await preferences.find(tx, [request.user_id])
        calendars = await links.of_user(tx, request.user_id)
        offered = await closures.proposals_of(tx, request.user_id, after=None, limit=None)
        waits = await waitlist.of_client(tx, request.user_id, after=None, limit=None)
        known = {one: await shops.find(tx, one) for one in {turno.business_id for turno in found}}
    shown = [
        appointment_resource(turno, shop.calendar.zone)
        for turno in found
        if (shop := known[turno.business_id]) is not None and turno.status is not Status.HELD
    ]
    return Held(
        records={
            "appointments": shown,
            "preferences": [asdict(one) for one in preferred.values()],
            "calendar_links": [_link(one) for one in calendars],
            "proposals": [proposal_resource(one, ZoneInfo("UTC")) for one in offered],
            "waiting": [waiting_resource(one, ZoneInfo("UTC")) for one in waits],
        }
    )


def _link(link: CalendarLink) -> dict[str, Any]:
    business_id = None if link.business_id is None else str(link.business_id)
    return {"business_id": business_id, "created_at": link.created_at.isoformat()}


async def forget(turnos: Turnos, event: PersonErased) -> None:
    """Cancels what was to come, as the client would have, and takes the client off all the rest.

    The business keeps its agenda of the past: times, services and prices, with nobody in them.
    """
    async with turnos.db.transaction() as tx:
        before = await clients.turnos_of(tx, event.user_id)
        keys = {seats.staff_key(turno.staff_id) for turno in before}
        keys |= {seats.client_key(turno.business_id, event.user_id) for turno in before}
        await seats.lock(tx, keys)
        for turno in await clients.turnos_of_locked(tx, event.user_id):
            await _forget_one(turnos, tx, turno, event.user_id)
        await clients.forget_offers(tx, event.user_id)
        await clients.forget(tx, event.user_id)
        for turno in before:
            await _free(turnos, tx, turno)
        await tx.publish(PersonForgotten(user_id=event.user_id, key=event.key))


async def _forget_one(turnos: Turnos, tx: Transaction, turno: Turno, client_id: UUID) -> None:
    if turno.status is Status.HELD:
        await turno_store.forget(tx, [turno.id])
        return
    if turno.status is Status.PROPOSED:
        await clients.forget_closed(tx, turno.id)
    nameless = replace(turno, client_name=_NOBODY, client_phone=None, note=None)
    if turno.status in ACTIVE and turno.starts_at > turnos.clock.now():
        after = nameless.after(What.CANCELLED, at=turnos.clock.now(), actor_id=client_id)
        nameless = replace(after, status=Status.CANCELLED, expires_at=None)
        shop = await shops.find(tx, turno.business_id)
        if shop is not None:
            # Still by its client, so that the owner reads who cancelled; there is no name to it any more.
            await tx.publish(telling.cancelled(nameless, shop, actor_id=client_id, reason=None))
    history = [_without(line, client_id) for line in nameless.history]
    await turno_store.save(tx, replace(nameless, client_id=None, history=history))


async def _free(turnos: Turnos, tx: Transaction, turno: Turno) -> None:
    """What was to come and what was held goes to who waits, as after any cancelling."""
    shop = await shops.find(tx, turno.business_id)
    if turno.status in LIVE and shop is not None and not shop.business.deleted:
        await freeing.freed(turnos, tx, shop, staff_id=turno.staff_id, span=turno.span)


def _without(line: dict[str, Any], client_id: UUID) -> dict[str, Any]:
    if line["actor_id"] != str(client_id):
        return line
    return {**line, "actor_id": None, "reason": None}
