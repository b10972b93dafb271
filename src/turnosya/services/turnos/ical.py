"""Turnos as iCalendar."""

# icalendar leaves some of its parameters untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from icalendar import Calendar, Event

from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.turno import Status, Turno

_FETCH_EVERY = timedelta(minutes=15)

_STATUS = {
    Status.PENDING: "TENTATIVE",
    Status.PROPOSED: "TENTATIVE",
    Status.CANCELLED: "CANCELLED",
}


@dataclass(frozen=True, slots=True)
class View:
    """Whose calendar it is: a client reads where they go, a business who comes to whom."""

    business_id: UUID | None

    def summary(self, turno: Turno, shop: Shop) -> str:
        """The one line that a calendar shows."""
        names = {service.id: service.name for service in shop.business.services}
        what = " + ".join(names.get(one, "") for one in turno.service_ids or [turno.service_id])
        if self.business_id is None:
            return f"{what} · {shop.business.name}"
        member = next((one.name for one in shop.business.staff if one.id == turno.staff_id), "")
        return " · ".join(part for part in (what, member, turno.client_name) if part)


def written(turnos: Iterable[Turno], shops: Mapping[UUID, Shop], view: View) -> bytes:
    """A calendar of these turnos as iCalendar (RFC 5545)."""
    calendar = Calendar()
    calendar.add("prodid", "-//TurnosYa//turnos//ES")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    name = shops[view.business_id].business.name if view.business_id else "Turnos"
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", _FETCH_EVERY, parameters={"VALUE": "DURATION"})
    for turno in turnos:
        calendar.add_component(_event(turno, shops[turno.business_id], view))
    written: bytes = calendar.to_ical()
    return written


def _event(turno: Turno, shop: Shop, view: View) -> Event:
    """One turno. Its UID never changes, and SEQUENCE grows with whatever happens to it (RFC 5545 §3.8.7.4).

    DTSTAMP is the last change and not the moment of reading, so that a calendar in which nothing has
    happened is the same bytes.
    """
    changed_at = datetime.fromisoformat(turno.history[-1]["at"])
    event = Event()
    event.add("uid", f"{turno.id}@turnosya")
    event.add("sequence", turno.version - 1)
    event.add("dtstamp", changed_at)
    event.add("created", turno.created_at)
    event.add("last-modified", changed_at)
    # In UTC: right in every calendar, whichever rules of zones that knows.
    event.add("dtstart", turno.starts_at)
    event.add("dtend", turno.ends_at)
    event.add("summary", view.summary(turno, shop))
    event.add("status", _STATUS.get(turno.status, "CONFIRMED"))
    if shop.business.address_line:
        event.add("location", shop.business.address_line)
    return event
