"""Messages about accounts: their links, what is left of an erased person; the codes of a day."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, STRANGER_PHONE, Town, a_code, a_town
from tests.servers import Servers
from tests.stage import a_stage
from turnosya.contracts.auth import NOT_ME, SignedIn
from turnosya.contracts.notification import GetHeld
from turnosya.contracts.turnos import AppointmentCancelled
from turnosya.contracts.users import (
    CONFIRM_EMAIL,
    UNDO_PHONE_CHANGE,
    EmailConfirmationRequested,
    PersonErased,
    PhoneChanged,
)
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.links import LinkTo
from turnosya.services.notification import rules
from turnosya.services.notification.context import Notification
from turnosya.services.notification.service import service as notification
from turnosya.services.users.service import service as users

pytestmark = pytest.mark.asyncio(loop_scope="module")


def here(town: Town) -> Notification:
    return cast("Notification", town.stage.running["notification"].context)


def subject_of(town: Town, to: LinkTo, message: dict[str, Any]) -> str:
    address, _, token = message["data"]["link"].partition("?token=")
    assert address.endswith(to[1])
    assert message["data"]["link"] in message["body"]
    return here(town).links.subject_of(to, token, now=real_now())


async def stored(town: Town) -> str:
    async with town.stage.running["notification"].host.db.read() as tx:
        rows = await tx.connection.exec_driver_sql(
            "SELECT t::text FROM deliveries t UNION ALL SELECT t::text FROM messages t"
        )
        return "\n".join(rows.scalars())


async def set_email(town: Town, user_id: UUID, email: str) -> None:
    async with town.stage.running["users"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE people SET email = $1 WHERE id = $2", (email, user_id))


async def test_a_new_device_is_told_with_the_link_that_ends_it(town: Town) -> None:
    session = new_id()
    event = SignedIn(user_id=town.client_id, session_id=session, device_name="Pixel 9", at=real_now())
    await town.stage.tell(event)
    message = await town.message(CLIENT_PHONE, "signed_in")
    assert subject_of(town, NOT_ME, message) == f"{town.client_id}_{session}"
    token = message["data"]["link"].partition("?token=")[2]
    async with town.stage.running["notification"].host.db.read() as tx:
        rows = await tx.connection.exec_driver_sql("SELECT t::text FROM deliveries t")
        assert token not in "\n".join(rows.scalars())


async def test_another_number_is_told_on_the_former_one(town: Town) -> None:
    change = new_id()
    await town.stage.tell(
        PhoneChanged(
            user_id=town.client_id,
            change_id=change,
            previous_phone=STRANGER_PHONE,
            undo_until=real_now() + timedelta(hours=72),
        )
    )
    message = await town.message(STRANGER_PHONE, "phone_changed")
    assert (message["channel"], message["to"]) == ("whatsapp", STRANGER_PHONE)
    assert subject_of(town, UNDO_PHONE_CHANGE, message) == str(change)


async def test_an_address_is_confirmed_by_a_letter_to_it_while_it_is_theirs(town: Town) -> None:
    confirmation, until_ = new_id(), real_now() + timedelta(hours=72)
    await set_email(town, town.client_id, "carla@mail.com")
    for email in ("another@mail.com", "carla@mail.com"):
        await town.stage.tell(
            EmailConfirmationRequested(
                user_id=town.client_id, confirmation_id=confirmation, email=email, expires_at=until_
            )
        )
    await town.all_is_heard()
    [message] = await town.messages(template="email_confirmation_requested")
    assert (message["channel"], message["to"]) == ("email", "carla@mail.com")
    assert subject_of(town, CONFIRM_EMAIL, message) == str(confirmation)


async def test_of_an_erased_client_neither_messages_nor_name_nor_words_are_left(town: Town) -> None:
    await town.stage.tell(a_code(CLIENT_PHONE), a_code(STRANGER_PHONE))
    turno = town.appointment()
    await town.stage.tell(
        AppointmentCancelled(appointment=turno, actor_id=town.client_id, reason="un secreto")
    )
    await town.message(OWNER_PHONE, "appointment_cancelled")
    await town.message(STRANGER_PHONE, "code_requested")
    await town.all_is_heard()
    held = (await town.stage.bus.call(GetHeld(user_id=town.client_id))).records["messages"]
    assert {one["template"] for one in held} == {"user_registered", "code_requested", "appointment_cancelled"}
    for _ in range(2):
        await town.stage.tell(PersonErased(user_id=town.client_id, key="one"))
        await town.all_is_heard()
    left = await stored(town)
    for word in ("Carla", CLIENT_PHONE, "un secreto"):
        assert word not in left
    told = await town.message(OWNER_PHONE, "appointment_cancelled")
    assert "—" in told["body"]
    assert (await town.stage.bus.call(GetHeld(user_id=town.client_id))).records == {"messages": []}
    assert await town.message(STRANGER_PHONE, "code_requested")


@pytest.mark.parametrize(("most", "strangers"), [(10, 7), (1, 0), (3, 2)])
async def test_thirty_percent_of_a_day_s_codes_are_for_people_with_an_account(
    most: int, strangers: int
) -> None:
    assert rules.codes_a_day(most, known=True) == most
    assert rules.codes_a_day(most, known=False) == strangers


@pytest.mark.parametrize(("rate_limits", "sent"), [("on", "110110"), ("off", "111111")])
async def test_when_a_day_s_codes_are_used_up_strangers_get_none_and_then_nobody(
    servers: Servers, rate_limits: str, sent: str
) -> None:
    settings = {"TURNOSYA_CODES_A_DAY": "4", "TURNOSYA_RATE_LIMITS": rate_limits}
    async with a_stage(servers, [users, notification], settings=settings) as stage:
        town = await a_town(stage)
        strangers = [f"+549116677880{number}" for number in range(3)]
        for to in (*strangers, CLIENT_PHONE, OWNER_PHONE, CLIENT_PHONE):
            await stage.tell(a_code(to))
            await town.all_is_heard()
        async with stage.running["notification"].host.db.read() as tx:
            rows = await tx.connection.exec_driver_sql(
                "SELECT state, reason FROM deliveries WHERE template = 'code_requested' ORDER BY number"
            )
            states = [tuple(row) for row in rows]
    assert states == [("sent", None) if one == "1" else ("suppressed", "daily_budget") for one in sent]
