"""Reminders at each person's times, and what owners get of their day and their week."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest

from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, STRANGER_PHONE, Town
from tests.stage import until
from turnosya.contracts.notification import SendReminders
from turnosya.contracts.turnos import (
    Appointment,
    AppointmentAnchored,
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMoved,
    AppointmentRequested,
)
from turnosya.contracts.users import (
    NotificationSettings,
    NotificationSettingsChanged,
    PersonErased,
    QuietHours,
)
from turnosya.runtime.ids import new_id
from turnosya.services.notification import delivery, timing
from turnosya.services.notification.context import WHATSAPP_LINE, Line, Notification
from turnosya.services.notification.rules import Channel
from turnosya.services.users import reach
from turnosya.services.users.context import Users

pytestmark = pytest.mark.asyncio(loop_scope="module")
# The turno of these tests is on Monday 2027-06-14 at ten in Buenos Aires.
STARTS_AT = datetime(2027, 6, 14, 13, tzinfo=UTC)
LONG_BEFORE = STARTS_AT - timedelta(days=10)
BUENOS_AIRES = "America/Argentina/Buenos_Aires"


def at(town: Town, instant: datetime) -> None:
    town.stage.clock.use(version=town.stage.clock.version + 1, set_to=instant)


async def run_at(town: Town, instant: datetime, times: int = 1) -> None:
    """The job at an instant, by so many copies at once; returns when all is told."""
    await town.all_is_heard()
    at(town, instant)
    await asyncio.gather(*(town.stage.bus.call(SendReminders()) for _ in range(times)))
    await town.all_is_heard()


async def booked(town: Town, **changes: object) -> Appointment:
    at(town, LONG_BEFORE)
    turno = town.appointment(**changes)
    await town.stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id))
    await town.all_is_heard()
    return turno


async def choose(town: Town, **settings: object) -> None:
    context = cast("Users", town.stage.running["users"].context)
    chosen = NotificationSettings.model_validate(settings)
    await reach.choose(context, town.client_id, chosen)
    await town.stage.tell(NotificationSettingsChanged(user_id=town.client_id, settings=chosen))
    await town.all_is_heard()


async def reminded(town: Town, to: str = CLIENT_PHONE) -> int:
    return len(await town.messages(to, template="appointment_reminder"))


async def asked_for(town: Town) -> datetime | None:
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.connection.exec_driver_sql("SELECT run_at FROM wakes")
        return cast("datetime | None", found.scalar_one_or_none())


async def test_a_client_is_reminded_a_day_and_two_hours_before_once_each(town: Town) -> None:
    turno = await booked(town)
    day, hours = STARTS_AT - timedelta(days=1), STARTS_AT - timedelta(hours=2)
    for instant, count in (
        (day - timedelta(seconds=1), 0),
        (day, 1),
        (day + timedelta(hours=1), 1),
        (hours, 2),
        (STARTS_AT, 2),
    ):
        await run_at(town, instant, times=3)
        assert await reminded(town) == count, instant
    told = (await town.messages(CLIENT_PHONE, template="appointment_reminder"))[0]
    assert "Monday, June 14, 10:00" in told["body"]
    assert told["data"]["appointment_id"] == str(turno.id)
    assert "/v1/turnos/answers/cancel?token=" in told["data"]["links"]["cancel"]
    assert await reminded(town, OWNER_PHONE) == 0


async def test_the_job_is_asked_for_when_the_next_is_due(town: Town) -> None:
    # Before the reminder there is the owner's agenda of the day after the booking.
    await booked(town)
    assert await asked_for(town) == datetime(2027, 6, 5, 10, tzinfo=UTC)
    await run_at(town, STARTS_AT - timedelta(days=1, minutes=1))
    assert await asked_for(town) == STARTS_AT - timedelta(days=1)


async def test_a_turno_that_moves_takes_its_reminders_along(town: Town) -> None:
    turno = await booked(town)
    later = STARTS_AT + timedelta(days=3)
    moved = turno.model_copy(
        update={"version": 2, "starts_at": later, "ends_at": later + timedelta(minutes=30)}
    )
    event = AppointmentMoved(
        appointment=moved,
        previous_starts_at=turno.starts_at,
        previous_staff_id=new_id(),
        actor_id=town.client_id,
    )
    old = AppointmentBooked(appointment=turno, actor_id=town.client_id)
    # Ten times and out of order: what is older changes nothing.
    for _ in range(3):
        await town.stage.tell(event, old)
    await run_at(town, STARTS_AT - timedelta(days=1))
    assert await reminded(town) == 0
    await run_at(town, later - timedelta(days=1))
    assert await reminded(town) == 1


async def test_a_cancelled_turno_is_not_reminded_of_and_a_request_neither(town: Town) -> None:
    turno = await booked(town)
    gone = turno.model_copy(update={"version": 2, "status": "cancelled"})
    await town.stage.tell(AppointmentCancelled(appointment=gone, actor_id=town.client_id, reason=None))
    asked = town.appointment(status="pending")
    await town.stage.tell(
        AppointmentRequested(appointment=asked, actor_id=town.client_id, expires_at=STARTS_AT)
    )
    await run_at(town, STARTS_AT - timedelta(days=1))
    assert await reminded(town) == 0


async def test_another_instant_of_the_same_wall_time_moves_the_reminder_too(town: Town) -> None:
    turno = await booked(town)
    hour_later = STARTS_AT + timedelta(hours=1)
    await town.stage.tell(
        AppointmentAnchored(appointment=turno.model_copy(update={"version": 2, "starts_at": hour_later}))
    )
    await run_at(town, STARTS_AT - timedelta(days=1))
    assert await reminded(town) == 0
    await run_at(town, hour_later - timedelta(days=1))
    assert await reminded(town) == 1


async def test_what_was_queued_is_looked_at_again_when_it_is_sent(town: Town) -> None:
    """Between the job and the sending the turno is cancelled, and nobody has heard of it but us."""
    turno = await booked(town)
    db = town.stage.running["notification"].host.db
    async with db.transaction() as tx:
        # Nobody queues anything that is seen before this ends.
        await tx.connection.exec_driver_sql("LOCK TABLE deliveries IN EXCLUSIVE MODE")
        at(town, STARTS_AT - timedelta(days=1))
        running = asyncio.create_task(town.stage.bus.call(SendReminders()))

        async def is_waiting() -> bool:
            found = await tx.connection.exec_driver_sql(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'deliveries'::regclass"
                # Who inserts; whoever looks for something to send waits as well, with a weaker lock.
                " AND mode = 'RowExclusiveLock'"
            )
            return bool(found.scalar_one())

        await until(is_waiting, bool)
        await tx.connection.exec_driver_sql(
            "UPDATE kept_turnos SET status = 'cancelled' WHERE appointment_id = $1", (turno.id,)
        )
    await running
    await town.all_is_heard()
    assert await reminded(town) == 0
    async with db.read() as tx:
        found = await tx.connection.exec_driver_sql(
            "SELECT state, reason FROM deliveries WHERE template = 'appointment_reminder'"
        )
        assert [tuple(row) for row in found] == [("suppressed", "turno_changed")]


async def test_each_is_reminded_at_the_times_they_chose_last(town: Town) -> None:
    await booked(town)
    await choose(town, reminder_minutes_before=[60, 45])
    await run_at(town, STARTS_AT - timedelta(hours=2))
    assert await reminded(town) == 0
    await run_at(town, STARTS_AT - timedelta(minutes=60))
    assert await reminded(town) == 1
    await choose(town, reminder_minutes_before=[])
    await run_at(town, STARTS_AT - timedelta(minutes=45))
    assert await reminded(town) == 1


async def test_of_several_that_are_due_at_once_the_latest_is_sent(town: Town) -> None:
    await booked(town)
    await run_at(town, STARTS_AT - timedelta(minutes=30))
    [told] = await town.messages(CLIENT_PHONE, template="appointment_reminder")
    assert told["data"]["minutes_before"] == 120


async def test_in_quiet_hours_it_waits_until_they_end_unless_the_turno_would_have_begun(town: Town) -> None:
    await choose(town, reminder_minutes_before=[120], quiet_hours=QuietHours(start="07:30", end="08:30"))
    await booked(town)
    await run_at(town, STARTS_AT - timedelta(hours=2))
    assert await reminded(town) == 0
    assert await asked_for(town) == datetime(2027, 6, 14, 11, 30, tzinfo=UTC)
    await run_at(town, datetime(2027, 6, 14, 11, 30, tzinfo=UTC))
    assert await reminded(town) == 1
    await choose(town, reminder_minutes_before=[60], quiet_hours=QuietHours(start="22:00", end="10:00"))
    await booked(town)
    await run_at(town, STARTS_AT - timedelta(minutes=60))
    await run_at(town, STARTS_AT)
    assert await reminded(town) == 1


async def test_one_that_is_still_to_be_sent_when_quiet_hours_begin_waits_for_their_end(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await choose(town, reminder_minutes_before=[120], quiet_hours=QuietHours(start="08:30", end="09:15"))
    await booked(town)

    async def stopped(*_: object) -> int:
        return 0

    with monkeypatch.context() as held_up:
        held_up.setattr(delivery, "_show", stopped)
        at(town, STARTS_AT - timedelta(hours=2))
        await town.stage.bus.call(SendReminders())
        # Half past eight in Buenos Aires.
        at(town, datetime(2027, 6, 14, 11, 30, tzinfo=UTC))
    looked: list[int] = []
    show = delivery._show  # pyright: ignore[reportPrivateUsage]

    async def counted(notification: Notification, line: Line, channels: list[Channel]) -> int:
        ended = await show(notification, line, channels)
        if line == WHATSAPP_LINE:
            looked.append(ended)
        return ended

    monkeypatch.setattr(delivery, "_show", counted)

    async def looks() -> int:
        return len(looked)

    await until(looks, lambda count: count >= 2)
    assert await reminded(town) == 0
    at(town, datetime(2027, 6, 14, 12, 15, tzinfo=UTC))
    await town.all_is_heard()
    assert await reminded(town) == 1


async def test_who_has_no_account_is_reminded_in_the_owner_s_language(town: Town) -> None:
    await booked(town, client_id=None, client_name="Dora", client_phone=STRANGER_PHONE)
    await run_at(town, STARTS_AT - timedelta(days=1))
    [told] = await town.messages(STRANGER_PHONE, template="appointment_reminder")
    assert "Olá, Dora" in told["body"]


async def test_an_owner_gets_the_agenda_of_the_day_in_the_morning_and_a_free_day_is_no_news(
    town: Town,
) -> None:
    business = new_id()
    await booked(town, business_id=business)
    await booked(town, business_id=business, starts_at=STARTS_AT + timedelta(hours=2))
    seven = datetime(2027, 6, 14, 10, tzinfo=UTC)
    await run_at(town, seven - timedelta(days=1))
    assert await town.messages(OWNER_PHONE, template="daily_agenda") == []
    await run_at(town, seven, times=2)
    await run_at(town, seven + timedelta(hours=1))
    told = await town.message(OWNER_PHONE, "daily_agenda")
    assert told["subject"] == "Hoje em Barbería Ñandú: 2 agendamentos"
    assert "10:00" in told["body"]
    assert "12:00" in told["body"]
    assert "Carla" not in told["body"]


async def test_an_owner_gets_a_summary_of_the_week(town: Town) -> None:
    turno = await booked(town)
    done = turno.model_copy(update={"version": 2, "status": "completed"})
    await town.stage.tell(AppointmentCompleted(appointment=done, actor_id=town.owner_id))
    await run_at(town, datetime(2027, 6, 21, 10, tzinfo=UTC))
    told = await town.message(OWNER_PHONE, "weekly_summary")
    assert "Vieram: 1" in told["body"]


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        (BUENOS_AIRES, "2027-06-14T10:00:00+00:00", "2027-06-15T10:00:00+00:00"),
        (BUENOS_AIRES, "2027-06-14T09:59:59+00:00", "2027-06-14T10:00:00+00:00"),
        ("America/Santiago", "2027-09-04T12:00:00+00:00", "2027-09-05T10:00:00+00:00"),
        ("America/New_York", "2027-11-06T12:00:00+00:00", "2027-11-07T12:00:00+00:00"),
    ],
)
async def test_seven_o_clock_is_once_a_local_day(zone: str, now: str, expected: str) -> None:
    found = timing.next_daily("07:00", zone, now=datetime.fromisoformat(now))
    assert found == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("start", "end", "local", "expected"),
    [
        ("22:00", "08:00", "2027-06-14T23:00", "2027-06-15T08:00"),
        ("22:00", "08:00", "2027-06-14T03:00", "2027-06-14T08:00"),
        ("22:00", "08:00", "2027-06-14T08:00", "2027-06-14T08:00"),
        ("22:00", "08:00", "2027-06-14T21:59", "2027-06-14T21:59"),
        ("13:00", "16:00", "2027-06-14T13:00", "2027-06-14T16:00"),
        ("13:00", "13:00", "2027-06-14T13:00", "2027-06-14T13:00"),
    ],
)
async def test_quiet_hours_end_on_the_wall_clock(start: str, end: str, local: str, expected: str) -> None:
    begin = datetime.fromisoformat(f"{local}:00-03:00")
    found = timing.after_quiet(begin, QuietHours(start=start, end=end), BUENOS_AIRES)
    assert found == datetime.fromisoformat(f"{expected}:00-03:00")


async def test_of_an_erased_person_no_turno_is_known(town: Town) -> None:
    await booked(town)
    await town.stage.tell(PersonErased(user_id=town.client_id, key="one"))
    await town.all_is_heard()
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.connection.exec_driver_sql("SELECT client_id FROM kept_turnos")
        assert cast("list[UUID]", list(found.scalars())) == []
