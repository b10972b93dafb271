"""Who is told what, in which words, and how often."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, STRANGER_PHONE, Town, a_code, a_town
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts.auth import SessionsEnded, SignedIn
from turnosya.contracts.turnos import AppointmentBooked, AppointmentCancelled, AppointmentMoved
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.settings import Environment
from turnosya.services.notification import delivery
from turnosya.services.notification.context import Notification
from turnosya.services.notification.service import service as notification
from turnosya.services.users.service import service as users

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_both_sides_of_a_booking_are_told_in_their_own_languages(town: Town) -> None:
    await town.stage.tell(AppointmentBooked(appointment=town.appointment(), actor_id=town.client_id))
    to_client = await town.message(CLIENT_PHONE, "appointment_booked")
    to_owner = await town.message(OWNER_PHONE, "appointment_booked")
    assert "You booked an appointment at Barbería Ñandú" in to_client["body"]
    assert "Monday, June 14, 10:00" in to_client["body"]
    assert to_client["data"]["starts_at"] == "2027-06-14T10:00:00-03:00"
    assert "Carla fez um agendamento" in to_owner["body"]
    assert (to_owner["channel"], to_owner["to"]) == ("whatsapp", OWNER_PHONE)


async def test_everyone_reads_who_did_it(town: Town) -> None:
    before = datetime(2027, 6, 14, 12, tzinfo=UTC)
    await town.stage.tell(
        AppointmentMoved(
            appointment=town.appointment(),
            previous_starts_at=before,
            previous_staff_id=new_id(),
            actor_id=town.owner_id,
        )
    )
    to_client = await town.message(str(town.client_id), "appointment_moved")
    to_owner = await town.message(str(town.owner_id), "appointment_moved")
    assert "Barbería Ñandú moved your appointment. Before: Monday, June 14, 09:00" in to_client["body"]
    assert "Você mudou o agendamento de Carla" in to_owner["body"]


async def test_a_client_without_an_account_is_written_to_in_the_owner_s_language(town: Town) -> None:
    turno = town.appointment(client_id=None, client_name="Dora", client_phone=STRANGER_PHONE)
    await town.stage.tell(AppointmentBooked(appointment=turno, actor_id=town.owner_id))
    assert "Olá, Dora!" in (await town.message(STRANGER_PHONE, "appointment_booked"))["body"]


async def test_an_event_told_again_and_again_is_one_message_to_each(town: Town) -> None:
    event = AppointmentBooked(appointment=town.appointment(), actor_id=town.client_id)
    [envelope] = await town.stage.tell(event)
    await asyncio.gather(*(town.stage.bus.deliver(envelope) for _ in range(10)))
    await town.message(CLIENT_PHONE, "appointment_booked")
    await town.all_is_heard()
    # Even when its mark is lost (an older backup of the inbox), the delivery is there already.
    db = town.stage.running["notification"].host.db
    async with db.transaction() as tx:
        await tx.connection.exec_driver_sql("DELETE FROM inbox")
    await town.stage.bus.deliver(envelope)
    await town.all_is_heard()
    await town.message(CLIENT_PHONE, "appointment_booked")
    await town.message(OWNER_PHONE, "appointment_booked")


async def test_what_happens_to_one_turno_is_told_in_its_order(town: Town) -> None:
    turno = town.appointment()
    moved = AppointmentMoved(
        appointment=turno,
        previous_starts_at=turno.starts_at,
        previous_staff_id=new_id(),
        actor_id=town.client_id,
    )
    cancelled = AppointmentCancelled(appointment=turno, actor_id=town.client_id, reason="lluvia")
    await town.stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id), moved, cancelled)
    await town.message(OWNER_PHONE, "appointment_cancelled")
    told = [
        item["template"] for item in await town.messages(OWNER_PHONE) if item["template"] != "user_registered"
    ]
    assert told == ["appointment_cancelled", "appointment_moved", "appointment_booked"]


async def test_a_code_goes_to_a_number_that_nobody_has_in_the_language_of_the_asker(town: Town) -> None:
    await town.stage.tell(a_code(STRANGER_PHONE))
    told = await town.message(STRANGER_PHONE, "code_requested")
    assert told["data"] == {"code": "123456", "purpose": "register"}
    assert "123456 es tu código para crear tu cuenta" in told["body"]
    assert "Vence en 5 minutos" in told["body"]


async def test_a_code_goes_to_somebody_known_in_their_own_language(town: Town) -> None:
    await town.stage.tell(a_code(CLIENT_PHONE, "password_reset"))
    assert (
        "is your code to change your password" in (await town.message(CLIENT_PHONE, "code_requested"))["body"]
    )


async def test_a_code_by_email_is_found_by_all_that_names_the_person(town: Town) -> None:
    code = a_code(
        CLIENT_PHONE, "login", channel="email", phone=None, email="Carla@Mail.example", user_id=town.client_id
    )
    await town.stage.tell(code)
    for to in (str(town.client_id), CLIENT_PHONE, "carla@mail.example"):
        told = await town.message(to, "code_requested")
        assert (told["channel"], told["to"]) == ("email", "Carla@Mail.example")


async def test_a_new_password_is_only_for_who_has_an_account(town: Town) -> None:
    await town.stage.tell(a_code(STRANGER_PHONE, "password_reset"), a_code(CLIENT_PHONE, "password_reset"))
    await town.message(CLIENT_PHONE, "code_requested")
    await town.all_is_heard()
    assert await town.messages(STRANGER_PHONE) == []


async def test_a_code_that_has_expired_is_not_sent(town: Town) -> None:
    await town.stage.tell(a_code(STRANGER_PHONE, lives_s=-1))
    await town.all_is_heard()
    assert await town.messages(STRANGER_PHONE) == []


async def test_each_sending_of_a_code_is_one_message_however_often_it_is_told(town: Town) -> None:
    code = a_code(STRANGER_PHONE)
    again = code.model_copy(update={"send": 2})
    await town.stage.tell(code, code, again, again)
    await town.all_is_heard()
    assert len(await town.messages(STRANGER_PHONE)) == 2


async def test_a_code_lies_in_no_table_but_the_one_that_is_shown(town: Town) -> None:
    db = town.stage.running["notification"].host.db
    await town.stage.tell(a_code(STRANGER_PHONE))
    await town.message(STRANGER_PHONE, "code_requested")
    async with db.read() as tx:
        for everything in ("SELECT t::text FROM inbox t", "SELECT t::text FROM deliveries t"):
            rows = await tx.connection.exec_driver_sql(everything)
            assert all("123456" not in str(row) and b"123456".hex() not in str(row) for row in rows.scalars())


async def test_a_code_that_was_shown_is_gone_when_it_has_expired(town: Town) -> None:
    context = cast("Notification", town.stage.running["notification"].context)
    await town.stage.tell(a_code(STRANGER_PHONE), a_code(CLIENT_PHONE))
    await town.message(STRANGER_PHONE, "code_requested")
    await town.message(CLIENT_PHONE, "code_requested")
    async with context.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE deliveries SET expires_at = now() WHERE phone = $1", (STRANGER_PHONE,)
        )
    await delivery.forget_once(context)
    expired = await town.message(STRANGER_PHONE, "code_requested")
    assert expired["body"].startswith("•••••• es tu código")
    assert expired["data"] == {"purpose": "register"}
    alive = await town.message(CLIENT_PHONE, "code_requested")
    assert (alive["data"]["code"], alive["body"][:6]) == ("123456", "123456")


async def test_people_are_welcomed_and_told_of_new_devices_and_ended_sessions(town: Town) -> None:
    now = real_now()
    signed_in = SignedIn(user_id=town.client_id, session_id=new_id(), device_name="Pixel 9", at=now)
    ended = SessionsEnded(user_id=town.client_id, session_ids=[new_id()], reason="reused", at=now)
    await town.stage.tell(signed_in, ended)
    assert "from Pixel 9" in (await town.message(CLIENT_PHONE, "signed_in"))["body"]
    assert "old credential" in (await town.message(CLIENT_PHONE, "sessions_ended"))["body"]
    assert "Welcome" in (await town.message(CLIENT_PHONE, "user_registered"))["subject"]


async def test_a_code_is_sent_although_users_is_away_and_a_reset_waits_for_it(town: Town) -> None:
    transport = cast("MemoryTransport", town.stage.transport)
    answers = transport._answers  # pyright: ignore[reportPrivateUsage] - as if its process were gone
    away = answers.pop("users.FindByPhone")
    await town.stage.tell(a_code(STRANGER_PHONE), a_code(CLIENT_PHONE, "password_reset"))
    await town.message(STRANGER_PHONE, "code_requested")
    assert await town.messages(CLIENT_PHONE, template="code_requested") == []
    answers["users.FindByPhone"] = away
    await town.message(CLIENT_PHONE, "code_requested")


async def test_a_killed_process_s_deliveries_are_sent_by_the_next_once(servers: Servers) -> None:
    """Stored by the one, sent by the other: what waits is in the table, not in a process."""
    async with a_stage(servers, [users, notification]) as stage:
        town = await a_town(stage)
        first = stage.running["notification"]
        for task in first._tasks:  # pyright: ignore[reportPrivateUsage] - as if it were killed
            if "send_" in repr(task):
                task.cancel()
        await stage.tell(AppointmentBooked(appointment=town.appointment(), actor_id=town.client_id))

        async def queued() -> int:
            async with first.host.db.read() as tx:
                rows = await tx.connection.exec_driver_sql(
                    "SELECT count(*) FROM deliveries WHERE state = 'queued'"
                )
                return int(rows.scalar_one())

        await until(queued, lambda count: count == 2)
        assert await town.messages(CLIENT_PHONE, template="appointment_booked") == []
        second = await stage.put_on(notification)
        await stage.put_on(notification)
        await town.message(CLIENT_PHONE, "appointment_booked")
        await town.message(OWNER_PHONE, "appointment_booked")
        await first.stop(1)
        await second.stop(1)


async def test_without_a_provider_nothing_is_called_sent(servers: Servers) -> None:
    async with a_stage(servers, [users, notification], env=Environment.PRODUCTION) as stage:
        await stage.tell(a_code(STRANGER_PHONE))
        db = stage.running["notification"].host.db

        async def states() -> list[tuple[str, str, object]]:
            async with db.read() as tx:
                rows = await tx.connection.exec_driver_sql("SELECT state, reason, sealed FROM deliveries")
                return [(row.state, row.reason, row.sealed) for row in rows]

        assert await until(states, lambda rows: bool(rows) and rows[0][0] != "queued") == [
            ("failed", "no_provider", None)
        ]
        async with stage.http("notification") as http:
            for path in ("/v1/dev/messages", "/v1/dev/messages?limit=0", "/dev"):
                assert (await http.get(path)).status_code == 404


@pytest.mark.parametrize(
    "to", ["+54 9 11 2233-4455", " 54 9 11 2233 4455", "011 15-2233-4455", "5491122334455"]
)
async def test_a_person_is_found_by_any_spelling_of_their_number(town: Town, to: str) -> None:
    found = await until(lambda: town.messages(to), bool)
    assert [item["to"] for item in found] == [CLIENT_PHONE]


@pytest.mark.parametrize(
    "to", ["nobody", "x@y", "+", "🦄", "00000000-0000-0000-0000-000000000000", "1" * 300]
)
async def test_who_is_not_known_has_no_messages(town: Town, to: str) -> None:
    assert await town.messages(to) == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "to=" + "a" * 321])
async def test_a_question_out_of_bounds_is_refused(town: Town, query: str) -> None:
    async with town.stage.http("notification") as http:
        answer = await http.get(f"/v1/dev/messages?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_messages_come_newest_first_whatever_the_clock_says(town: Town) -> None:
    await town.all_is_heard()
    clock = town.stage.clock
    clock.use(version=clock.version + 1, set_to=datetime(2027, 6, 10, tzinfo=UTC))
    await town.stage.tell(a_code(STRANGER_PHONE))
    later = await town.message(STRANGER_PHONE, "code_requested")
    clock.use(version=clock.version + 1, set_to=datetime(2027, 6, 10, tzinfo=UTC) - timedelta(days=400))
    await town.stage.tell(a_code("+5491144445555"))
    await town.message("+5491144445555", "code_requested")
    assert later["sent_at"] == "2027-06-10T00:00:00Z"
    assert [item["to"] for item in await town.messages()][:2] == ["+5491144445555", STRANGER_PHONE]


async def test_the_page_needs_nothing_from_elsewhere(stage: Stage) -> None:
    async with stage.http("notification") as http:
        answer = await http.get("/dev")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "https://" not in answer.text
    assert "innerHTML" not in answer.text
