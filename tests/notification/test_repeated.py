"""Events ten times and in any order, clocks that go back: each is told once, and the last word counts."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.notification.people import CLIENT_PHONE, STRANGER_PHONE, Town
from tests.notification.test_reminders import LONG_BEFORE, STARTS_AT, at, booked, choose, reminded, run_at
from turnosya.contracts.auth import CodeRequested, SessionsEnded
from turnosya.contracts.turnos import (
    Appointment,
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    Relocation,
)
from turnosya.contracts.users import Person
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Event
from turnosya.services.notification import rules
from turnosya.services.notification.service import service as notification
from turnosya.services.notification.tables import deliveries

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMAIL = "carla@mail.example"
# Nobody is an admin here.
TO_ADMINS = frozenset({"alert_raised", "alert_cleared"})


async def test_every_event_ten_times_in_any_order_is_told_once(town: Town) -> None:
    async with town.stage.running["users"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE people SET email = $1 WHERE id = $2", (EMAIL, town.client_id)
        )
    kinds = [
        one.event for one in notification.hears if rules.template_of(one.event.__name__) in rules.TEMPLATES
    ]
    told = [town.stage.bus.encode(_an_event(kind, town), sequence=1) for kind in kinds]
    again = told * 10
    random.Random(20270611).shuffle(again)
    for envelope in again:
        await town.stage.bus.deliver(envelope)
    await town.all_is_heard()
    counted = await _counted(town)
    assert set(counted.values()) == {1}
    templates = {template for template, _ in counted}
    assert templates == {rules.template_of(kind.__name__) for kind in kinds} - TO_ADMINS


@pytest.mark.parametrize("seed", range(4))
async def test_what_overtakes_does_not_bring_back_what_is_over(town: Town, seed: int) -> None:
    at(town, LONG_BEFORE)
    booked, moved = town.appointment(), {"version": 2, "starts_at": STARTS_AT + timedelta(days=1)}
    cancelled = booked.model_copy(update={**moved, "version": 3, "status": "cancelled"})
    of_move = {"previous_starts_at": STARTS_AT, "previous_staff_id": booked.staff_id}
    of_move |= {"appointment": booked.model_copy(update=moved), "actor_id": town.client_id}
    events: list[Event] = [
        AppointmentBooked(appointment=booked, actor_id=town.client_id),
        AppointmentMoved.model_validate(of_move),
        AppointmentCancelled(appointment=cancelled, actor_id=town.client_id, reason=None),
    ]
    again = [town.stage.bus.encode(event, sequence=number) for number, event in enumerate(events, 1)] * 10
    random.Random(seed).shuffle(again)
    for envelope in again:
        await town.stage.bus.deliver(envelope)
    await town.all_is_heard()
    for days in (-1, 0, 1):
        await run_at(town, STARTS_AT + timedelta(days=days, hours=-2))
    assert await reminded(town) == 0
    for template in ("appointment_booked", "appointment_moved", "appointment_cancelled"):
        await town.message(CLIENT_PHONE, template)


async def test_a_clock_that_goes_back_reminds_nobody_twice(town: Town) -> None:
    turno = await booked(town)
    hours = STARTS_AT - timedelta(hours=2)
    await run_at(town, hours)
    assert await reminded(town) == 1
    for back in (timedelta(minutes=5), timedelta(days=3)):
        at(town, hours - back)
        # Who plans anew has their reminders again, and the turno is told once more.
        await choose(town, reminder_minutes_before=[120])
        await town.stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id))
        await run_at(town, hours)
        await run_at(town, hours + timedelta(minutes=1))
    assert await reminded(town) == 1


async def _counted(town: Town) -> dict[tuple[str, str], int]:
    """How many deliveries of a template somebody has on one channel; their welcome is not counted."""
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.execute(deliveries.select().where(deliveries.c.number > await _welcomed(tx)))
        counted: dict[tuple[str, str], int] = {}
        for row in found:
            key = (row.template, f"{row.person} {row.channel}")
            counted[key] = counted.get(key, 0) + 1
        return counted


async def _welcomed(tx: Any) -> int:  # noqa: ANN401 - a transaction
    """The number of the second of those that `a_town` waits for."""
    found = await tx.connection.exec_driver_sql(
        "SELECT number FROM deliveries WHERE template = 'user_registered' ORDER BY number LIMIT 1 OFFSET 1"
    )
    return int(found.scalar_one())


def _an_event(kind: type[Event], town: Town) -> Event:
    """One of its kind, of fields that are called the same in all of them."""
    soon = real_now() + timedelta(hours=2)
    turno = town.appointment()
    fields: dict[str, Any] = {
        **_of_turnos(turno, town),
        "user_id": town.client_id,
        "session_id": new_id(),
        "session_ids": [new_id()],
        "at": real_now(),
        "device_name": "Pixel 9",
        "change_id": new_id(),
        "previous_phone": STRANGER_PHONE,
        "undo_until": soon,
        "confirmation_id": new_id(),
        "email": EMAIL,
        "expires_at": soon,
        "business_id": new_id(),
        "business_name": "Barbería Ñandú",
        "owner_id": town.owner_id,
        "client_id": town.client_id,
        "appointment_id": new_id(),
        "reason": "Ilegível",
        "expires_on": date(2027, 6, 14),
        "former_name": "Barbería Nandú",
        "by": "owner",
        "conversation_id": new_id(),
        "sender_id": town.owner_id,
        "from_business": True,
        "person": Person(
            id=town.client_id, name="Carla", phone=CLIENT_PHONE, email=EMAIL, locale="en", roles=[]
        ),
        "alert_id": new_id(),
        "kind": "process_dead",
        "subject": "turnos host-1:8000",
        "since": real_now(),
    }
    if kind is CodeRequested:
        fields |= {"challenge_id": new_id(), "purpose": "register", "channel": "whatsapp", "email": None}
        fields |= {"phone": STRANGER_PHONE, "locale": "es", "code": "123456", "send": 1, "user_id": None}
    if kind is SessionsEnded:
        fields["reason"] = "reused"
    return kind.model_validate({name: value for name, value in fields.items() if name in kind.model_fields})


def _of_turnos(turno: Appointment, town: Town) -> dict[str, Any]:
    earlier = datetime(2027, 6, 12, 2, 30, tzinfo=UTC)
    return {
        "appointment": turno,
        "appointments": [turno],
        "actor_id": town.client_id,
        "previous_starts_at": earlier,
        "previous_staff_id": new_id(),
        "proposal_id": new_id(),
        "series_id": new_id(),
        "starts_at": datetime(2027, 6, 15, 13, 0, tzinfo=UTC),
        "staff_name": "Beto",
        "links": {name: f"https://turnos.example/{name}" for name in ("accept", "decline", "choose")},
        "moves": [Relocation(appointment=turno, previous_starts_at=earlier, previous_staff_name="Beto")],
    }
