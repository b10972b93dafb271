"""What people write back on WhatsApp: each word once, however often the provider brings it."""

from collections.abc import AsyncGenerator
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, STRANGER_PHONE, Town, a_code, a_town, as_new
from tests.notification.providers import APP_SECRET, a_webhook, signed
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from tests.turnos.closings import a_day
from tests.turnos.town import a_town as a_town_of_turnos
from turnosya.contracts.notification import ReplyReceived, SendReminders, WordReceived
from turnosya.contracts.turnos import AppointmentBooked
from turnosya.contracts.users import FindByPhone, People, Person
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.business.service import service as business
from turnosya.services.notification.replies import answered_by, meaning_of, words_in
from turnosya.services.notification.service import service as notification
from turnosya.services.notification.store.deliveries import Delivery
from turnosya.services.turnos.service import service as turnos
from turnosya.services.users.service import service as users

pytestmark = pytest.mark.asyncio(loop_scope="module")
_TEMPLATES = ("appointment_reminder", "message_waiting")
SETTINGS = {"TURNOSYA_WHATSAPP_APP_SECRET": APP_SECRET}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [users, notification], settings=SETTINGS) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def town(stage: Stage) -> Town:
    await as_new(stage)
    return await a_town(stage)


def a_word(text: str, *, sender: str = CLIENT_PHONE, number: str = "", **more: object) -> dict[str, Any]:
    """A text as the provider brings it; a button's press with ``button=``."""
    kind = {} if more.get("button") else {"type": "text", "text": {"body": text}}
    return {
        "from": sender.lstrip("+"),
        "id": number or f"wamid.{new_id()}",
        "timestamp": "1793000000",
        **kind,
        **more,
    }


async def said(stage: Stage, *words: dict[str, Any], times: int = 1) -> None:
    body = a_webhook(messages=list(words))
    async with stage.http("notification") as http:
        for _ in range(times):
            answer = await http.post("/v1/notification/webhooks/whatsapp", content=body, headers=signed(body))
            assert answer.status_code == 200


async def column(stage: Stage, service: str, query: str) -> list[Any]:
    async with stage.running[service].host.db.read() as tx:
        return list((await tx.connection.exec_driver_sql(query)).scalars())


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("STOP", "stop"),
        (" baja. ", "stop"),
        ("Sair", "stop"),
        ("ALTA", "start"),
        ("1", "first"),
        ("Sí!", "first"),
        ("2", "second"),
        ("No", "second"),
        ("1 2", "words"),
        ("no puedo el lunes", "words"),
        ("{{ 7 * 7 }}", "words"),
    ],
)
async def test_one_word_is_an_order_and_more_is_for_the_business(text: str, meaning: str) -> None:
    assert meaning_of(text) == meaning


async def test_who_says_stop_gets_no_news_on_whatsapp_but_codes_and_may_come_back(town: Town) -> None:
    stage = town.stage
    await said(stage, a_word("BAJA", number="wamid.stop"), times=5)
    told = await town.message(CLIENT_PHONE, "opted_out")
    assert "START" in told["body"]
    turno = town.appointment()
    await stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id))
    await town.message(OWNER_PHONE, "appointment_booked")
    await town.all_is_heard()
    assert await town.messages(CLIENT_PHONE, template="appointment_booked") == []
    await stage.tell(a_code(CLIENT_PHONE))
    await town.message(CLIENT_PHONE, "code_requested")
    await said(stage, a_word("START"))
    await town.message(CLIENT_PHONE, "opted_in")
    again = town.appointment()
    await stage.tell(AppointmentBooked(appointment=again, actor_id=town.client_id))
    await town.message(CLIENT_PHONE, "appointment_booked")


async def test_words_go_to_the_business_that_was_last_told_of_once(town: Town) -> None:
    handed_on: list[ReplyReceived] = []

    async def hear(event: ReplyReceived) -> None:
        handed_on.append(event)

    await town.stage.bus.hear_every_copy(ReplyReceived, hear)
    turno = town.appointment()
    await town.stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id))
    await town.message(CLIENT_PHONE, "appointment_booked")
    # What is nothing that somebody says is left, and what a person says whom we do not know.
    reaction = a_word("", type="reaction", reaction={"emoji": "👍"})
    odd: list[dict[str, Any]] = [
        {"id": 1},
        {"from": "x", "id": "w2", "timestamp": "-1"},
        a_word("   "),
        a_word("1", sender="+12"),
    ]
    await said(town.stage, reaction, a_word("hola", sender=STRANGER_PHONE), *odd)
    text = "¿Puedo ir con mi perro? \u202e{{ 7 * 7 }}\r\n" + "á" * 10_000
    await said(town.stage, a_word(text, number="wamid.words"), times=10)

    async def heard() -> int:
        return len(handed_on)

    await until(heard, bool)
    await town.all_is_heard()
    [reply] = handed_on
    assert (reply.user_id, reply.business_id) == (town.client_id, turno.business_id)
    assert reply.text == text[:4000]
    stored = await column(town.stage, "notification", "SELECT body::text FROM inbox")
    assert not any(b"perro".hex() in one for one in stored)


@pytest.mark.parametrize(
    ("text", "answered"),
    [("1", "appointment_reminder"), (" 2 ", "appointment_reminder"), ("no", None), ("Sí!", None)],
)
async def test_a_word_answers_the_last_message_and_a_number_the_last_that_asks(
    text: str, answered: str | None
) -> None:
    word = WordReceived(
        sender_key=new_id(),
        message_key=new_id(),
        phone=CLIENT_PHONE,
        text=text,
        answers=None,
        sent_at=real_now(),
    )
    reminder, other = (cast("Delivery", SimpleNamespace(template=one)) for one in _TEMPLATES)
    found = answered_by(word, [other, reminder])
    assert (found.template if found else None) == answered
    assert answered_by(word, [reminder, other]) is reminder


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("image", {"id": "1", "caption": "mirá"}, "📷 mirá"),
        ("audio", {"id": "1", "voice": True}, "🎤"),
        ("document", {"caption": None}, "📎"),
        ("location", {"latitude": -34.6, "longitude": -58.4}, "📍"),
        ("contacts", [{"name": "Ana"}], "👤"),
        ("interactive", {"type": "button_reply", "button_reply": {"id": "2", "title": "Cancelar"}}, "2"),
    ],
    ids=["image", "audio", "document", "location", "contacts", "interactive"],
)
async def test_what_is_no_text_says_what_it_is(kind: str, content: object, text: str) -> None:
    message = {"from": "5491122334455", "id": "w", "timestamp": "1793000000", "type": kind, kind: content}
    [word] = words_in([{"messages": [message]}])
    assert word.text == text


@pytest.mark.parametrize(
    ("digits", "phone"),
    [
        ("5491122334455", "+5491122334455"),
        ("541122334455", "+5491122334455"),
        ("5215512345678", "+525512345678"),
        ("553187654321", "+5531987654321"),
    ],
    ids=["argentina", "argentina-without-9", "mexico-with-1", "brazil-without-9"],
)
async def test_whoever_writes_is_known_by_any_spelling_of_their_number(digits: str, phone: str) -> None:
    [word] = words_in([{"messages": [{**a_word("hola"), "from": digits}]}])
    assert word.phone == phone


async def test_a_reminder_is_answered_with_a_word_or_a_button(servers: Servers) -> None:
    async with (
        a_stage(servers, [business, turnos, notification], settings=SETTINGS) as stage,
        a_town_of_turnos(stage) as town,
    ):

        async def somebody(request: FindByPhone) -> People:
            person = Person(id=new_id(), name="Ana", phone=request.phone, email=None, locale="es", roles=[])
            return People(people=[person])

        await stage.bus.answer(FindByPhone, somebody)
        day = await a_day(town)
        planned = partial(column, stage, "notification", "SELECT count(*) FROM reminders")
        await until(planned, lambda found: found[0] >= len(day.turnos))
        town.set_clock("2027-06-14T10:30Z")
        await stage.bus.call(SendReminders())
        sent = partial(
            column,
            stage,
            "notification",
            "SELECT turno_id::text FROM deliveries WHERE template = 'appointment_reminder'"
            " AND state = 'sent' ORDER BY number",
        )
        queued = partial(column, stage, "notification", "SELECT 1 FROM deliveries WHERE state = 'queued'")
        await until(queued, lambda found: not found)
        last = (await sent())[-1]
        press: dict[str, Any] = {"type": "button", "button": {"payload": "1", "text": "Confirmar"}}
        await said(stage, a_word("", **press), times=3)
        noted = "SELECT id::text FROM appointments WHERE history::text LIKE '%%coming%%'"
        assert await until(lambda: column(stage, "turnos", noted), bool) == [last]
        await said(stage, a_word("2"), times=3)
        gone = "SELECT id::text FROM appointments WHERE status = 'cancelled'"
        assert await until(lambda: column(stage, "turnos", gone), bool) == [last]
        waiting = partial(column, stage, "notification", "SELECT 1 FROM inbox WHERE state = 'waiting'")
        await until(waiting, lambda found: not found)
        told = "SELECT template FROM deliveries WHERE template LIKE 'answer%%'"
        assert await column(stage, "notification", told) == ["answer_noted"]
