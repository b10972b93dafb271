"""Calendar links: whoever has one reads, in a calendar of their own, a client's turnos or a business's."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import Conflict, Forbidden, NotFound
from turnosya.services.turnos import copies
from turnosya.services.turnos.store import links
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.store.links import CalendarLink

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

LINKS_PER_USER = 20
# What is over longer than this is of no use in a calendar that is fetched again and again.
_KEPT = timedelta(days=31)
_MAX_EVENTS = 5000
_ID_BYTES, _MAC_BYTES = 16, 16


async def check_may_see(turnos: Turnos, user_id: UUID, business_id: UUID | None) -> None:
    """Forbidden for the calendar of a business that they do not run, NotFound if there is none."""
    if business_id is not None and not await copies.is_run_by(turnos, business_id, user_id):
        raise Forbidden


async def add(tx: Transaction, link: CalendarLink) -> None:
    """Stores a link; Conflict for one who has enough of them."""
    await links.lock_of(tx, link.user_id)
    if len(await links.of_user(tx, link.user_id)) >= LINKS_PER_USER:
        raise Conflict
    await links.add(tx, link)


def secret_of(turnos: Turnos, link_id: UUID) -> str:
    """What stands in the address. It is never stored: the link's id, and a seal that only we can make."""
    sealed = link_id.bytes + _seal(turnos, link_id.bytes)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


async def feed(turnos: Turnos, secret: str) -> bytes:
    """The calendar of a link as iCalendar (RFC 5545); NotFound for a secret that is none, or is no more."""
    async with turnos.db.read() as tx:
        link = await links.find(tx, _link_id(turnos, secret))
    if link is None:
        raise NotFound
    if link.business_id is not None:
        shop = await copies.current_shop(turnos, link.business_id)
        if not shop.is_run_by(link.user_id):
            raise NotFound
    async with turnos.db.read() as tx:
        found = await turno_store.for_calendar(
            tx,
            client_id=link.user_id if link.business_id is None else None,
            business_id=link.business_id,
            since=turnos.clock.now() - _KEPT,
            limit=_MAX_EVENTS,
        )
    ids = {turno.business_id for turno in found} | ({link.business_id} - {None})
    shops = {one: await copies.kept_shop(turnos, one) for one in ids if one is not None}
    # Takes a fifth of a second, and few processes are ever asked for a calendar.
    from turnosya.services.turnos import ical  # noqa: PLC0415 - see above

    return ical.written(found, shops, ical.View(link.business_id))


def _link_id(turnos: Turnos, secret: str) -> UUID:
    try:
        sealed = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise NotFound from None
    link_id, seal = sealed[:_ID_BYTES], sealed[_ID_BYTES:]
    if len(link_id) != _ID_BYTES or not hmac.compare_digest(seal, _seal(turnos, link_id)):
        raise NotFound
    return UUID(bytes=link_id)


def _seal(turnos: Turnos, link_id: bytes) -> bytes:
    return turnos.links.seal("calendar", link_id)[:_MAC_BYTES]
