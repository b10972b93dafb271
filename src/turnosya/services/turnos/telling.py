"""What turnos tells the others about a turno: its events and the jobs it wants done later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from turnosya.contracts.business import Price
from turnosya.contracts.jobs import Job, ScheduleRequested
from turnosya.contracts.turnos import (
    AgendaRearranged,
    AnswerLinks,
    Appointment,
    AppointmentAnchored,
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentExpired,
    AppointmentMissed,
    AppointmentMoved,
    AppointmentRequested,
    ExpirePending,
    Relocation,
    SeriesBooked,
)
from turnosya.runtime.messages import Event
from turnosya.services.turnos.rearrangement import Change
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.turno import Status, Turno


def appointment(turno: Turno, shop: Shop) -> Appointment:
    """A turno as other services read it, with what a message about it says."""
    business = shop.business
    names = {service.id: service.name for service in business.services}
    member = next((one for one in business.staff if one.id == turno.staff_id), None)
    return Appointment(
        id=turno.id,
        version=turno.version,
        status=turno.status.value,
        business_id=turno.business_id,
        business_name=business.name,
        business_timezone=business.timezone,
        address_line=business.address_line,
        owner_id=business.owner_id,
        service_id=turno.service_id,
        service_name=" + ".join(names.get(one, "") for one in turno.service_ids or [turno.service_id]),
        staff_id=turno.staff_id,
        staff_name=member.name if member else "",
        staff_user_id=member.user_id if member else None,
        client_id=turno.client_id,
        client_name=turno.client_name,
        client_phone=turno.client_phone,
        starts_at=turno.starts_at,
        ends_at=turno.ends_at,
        price=price_of(turno),
    )


def price_of(turno: Turno) -> Price | None:
    """What it was sold for."""
    if turno.price_amount is None or turno.price_currency is None:
        return None
    return Price(amount=turno.price_amount, currency=turno.price_currency)


def booked(turno: Turno, shop: Shop, *, actor_id: UUID, in_series: bool = False) -> list[Event]:
    """A new turno: confirmed, or requested together with the job that lets it lapse."""
    if turno.status is Status.PENDING:
        return requested(turno, shop, actor_id=actor_id, in_series=in_series)
    told = appointment(turno, shop)
    return [AppointmentBooked(appointment=told, actor_id=actor_id, in_series=in_series)]


def series(series_id: UUID, made: Sequence[Turno], shop: Shop, *, actor_id: UUID) -> list[Event]:
    """Several turnos of one order: each for who keeps track of turnos, all together for people."""
    alone = [event for turno in made for event in booked(turno, shop, actor_id=actor_id, in_series=True)]
    listed = [appointment(turno, shop) for turno in made]
    return [*alone, SeriesBooked(series_id=series_id, appointments=listed, actor_id=actor_id)]


def requested(turno: Turno, shop: Shop, *, actor_id: UUID, in_series: bool = False) -> list[Event]:
    """A request that the business has to confirm before it lapses (R16)."""
    assert turno.expires_at is not None, "a pending turno has its end"  # noqa: S101 - the table's own check
    told = appointment(turno, shop)
    return [
        AppointmentRequested(
            appointment=told, actor_id=actor_id, expires_at=turno.expires_at, in_series=in_series
        ),
        lapsing_later(turno.id, turno.expires_at),
    ]


def lapsing_later(turno_id: UUID, expires_at: datetime) -> ScheduleRequested:
    """The job that looks whether a turno is still waiting for an answer."""
    job = Job.of(
        ExpirePending(appointment_id=turno_id), key=f"turnos.ExpirePending:{turno_id}", run_at=expires_at
    )
    return ScheduleRequested(job=job)


def moved(
    turno: Turno,
    shop: Shop,
    *,
    before: Turno,
    actor_id: UUID,
    links: AnswerLinks | None = None,
    together: bool = False,
) -> list[Event]:
    """A turno at its new time; a request that the business itself moved lapses at another time too."""
    told = AppointmentMoved(
        appointment=appointment(turno, shop),
        previous_starts_at=before.starts_at,
        previous_staff_id=before.staff_id,
        actor_id=actor_id,
        links=links,
        together=together,
    )
    return [told] if turno.expires_at is None else [told, lapsing_later(turno.id, turno.expires_at)]


def rearranged(
    changes: Sequence[Change], shop: Shop, *, actor_id: UUID, reason: str | None
) -> AgendaRearranged:
    """Several that went elsewhere at once, in one message for the business."""
    names = {member.id: member.name for member in shop.business.staff}
    return AgendaRearranged(
        business_id=shop.business.id,
        owner_id=shop.business.owner_id,
        moves=[
            Relocation(
                appointment=appointment(change.after, shop),
                previous_starts_at=change.before.starts_at,
                previous_staff_name=names.get(change.before.staff_id, ""),
            )
            for change in changes
        ],
        actor_id=actor_id,
        reason=reason,
    )


def cancelled(
    turno: Turno, shop: Shop, *, actor_id: UUID, reason: str | None, suspended: bool = False
) -> Event:
    """Cancelled, or a request declined; ``suspended`` when an admin took the business off."""
    return AppointmentCancelled(
        appointment=appointment(turno, shop), actor_id=actor_id, reason=reason, suspended=suspended
    )


def confirmed(turno: Turno, shop: Shop, *, actor_id: UUID) -> Event:
    """The business confirmed a request."""
    return AppointmentConfirmed(appointment=appointment(turno, shop), actor_id=actor_id)


def closed(turno: Turno, shop: Shop, *, actor_id: UUID) -> Event:
    """The client came, or did not."""
    told = appointment(turno, shop)
    if turno.status is Status.COMPLETED:
        return AppointmentCompleted(appointment=told, actor_id=actor_id)
    return AppointmentMissed(appointment=told, actor_id=actor_id)


def completed_by_itself(turno: Turno, shop: Shop) -> Event:
    """It ended an hour ago, and nobody said that the client did not come."""
    told = appointment(turno, shop)
    return AppointmentCompleted(appointment=told, actor_id=shop.business.owner_id, by_itself=True)


def anchored(turno: Turno, shop: Shop) -> list[Event]:
    """Another instant of the same wall time; a request lapses with it."""
    events: list[Event] = []
    if turno.status is not Status.HELD:
        events.append(AppointmentAnchored(appointment=appointment(turno, shop)))
    if turno.status is Status.PENDING and turno.expires_at is not None:
        events.append(lapsing_later(turno.id, turno.expires_at))
    return events


def expired(turno: Turno, shop: Shop) -> Event:
    """Nobody confirmed a request in time."""
    return AppointmentExpired(appointment=appointment(turno, shop))
