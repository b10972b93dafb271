"""Another number: proved, told on the former one, and taken back by its link."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from tests.users.town import (
    GOOD_CODE,
    OTHER_PHONE,
    PASSWORD,
    PHONE,
    SIXTH_CODE,
    THIRD_PHONE,
    WRONG_CODE,
    Town,
)
from turnosya.contracts.users import (
    CONFIRM_EMAIL,
    UNDO_PHONE_CHANGE,
    CheckPassword,
    CredentialsInvalid,
    FindByPhone,
    PhoneChanged,
)
from turnosya.runtime.clock import real_now
from turnosya.runtime.http import ACCESS_ENDED
from turnosya.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINK = "/v1/users/links/phone-change"


async def change(town: Town, user_id: UUID, *, session: str = "", **changes: str) -> httpx.Response:
    body = {"phone": OTHER_PHONE, "code": GOOD_CODE, "password": PASSWORD} | changes
    headers = town.callers.headers(user_id, session_id=UUID(session) if session else None)
    return await town.http.put("/v1/users/me/phone", json=body, headers=headers)


def link_of(town: Town, told: PhoneChanged, *, purpose: tuple[str, str] = UNDO_PHONE_CHANGE) -> str:
    address = town.users.links.address(purpose, str(told.change_id), expires_at=told.undo_until)
    return LINK + "?" + address.partition("?")[2]


async def phone_of(town: Town, user_id: UUID) -> str:
    answer = await town.http.get("/v1/users/me", headers=town.callers.headers(user_id))
    return str(answer.json()["phone"])


async def test_a_number_changes_with_its_code_and_the_password(town: Town) -> None:
    ana, session = await town.a_person(), new_id()
    answer = await change(town, ana, session=str(session), phone="011 15-5566-7788")
    assert (answer.status_code, answer.json()["phone"]) == (200, OTHER_PHONE)
    assert str(ana) in answer.headers[ACCESS_ENDED]
    assert [(one.user_id, one.keep_session_id, one.reason) for one in town.auth.ended] == [
        (ana, session, "phone_changed")
    ]
    assert (await town.stage.bus.call(CheckPassword(phone=OTHER_PHONE, password=PASSWORD))).id == ana
    assert (await town.stage.bus.call(FindByPhone(phone=PHONE))).people == []
    [told] = await town.told(PhoneChanged)
    assert (told.user_id, told.previous_phone) == (ana, PHONE)
    assert timedelta(hours=71.9) < told.undo_until - real_now() < timedelta(hours=72.1)


async def test_who_cannot_prove_a_number_does_not_learn_that_it_is_taken(town: Town) -> None:
    ana = await town.a_person()
    await town.a_person(OTHER_PHONE)
    for changes, expected in (
        ({"password": "another"}, (401, "credentials_invalid")),
        ({"password": "another", "code": WRONG_CODE}, (401, "credentials_invalid")),
        ({"code": WRONG_CODE}, (422, "otp_invalid")),
        ({"code": SIXTH_CODE}, (429, "otp_attempts_exceeded")),
        ({}, (409, "phone_taken")),
    ):
        answer = await change(town, ana, **changes)
        assert (answer.status_code, answer.json()["code"]) == expected
    assert await phone_of(town, ana) == PHONE
    assert town.auth.ended == []
    assert await town.told(PhoneChanged) == []


async def test_auth_hears_of_a_new_number_when_it_is_back(town: Town) -> None:
    ana = await town.a_person()
    town.auth.away = True
    assert (await change(town, ana)).status_code == 200
    assert town.auth.ended == []
    town.auth.away = False
    await town.all_is_heard()
    assert [(one.user_id, one.reason) for one in town.auth.ended] == [(ana, "phone_changed")]


async def test_opening_the_link_changes_nothing_and_its_button_takes_the_number_back(town: Town) -> None:
    ana = await town.a_person()
    await change(town, ana)
    [told] = await town.told(PhoneChanged)
    link = link_of(town, told)
    for _ in range(2):
        shown = await town.http.get(link, headers={"Accept-Language": "en"})
        assert (shown.status_code, "<form" in shown.text) == (200, True)
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert await phone_of(town, ana) == OTHER_PHONE
    done = await town.http.post(link)
    assert done.status_code == 200
    assert str(ana) in done.headers[ACCESS_ENDED]
    assert await phone_of(town, ana) == PHONE
    assert (town.auth.ended[-1].keep_session_id, town.auth.ended[-1].reason) == (None, "phone_changed")
    # Whoever changed it knew the password: it opens nothing any more.
    with pytest.raises(CredentialsInvalid):
        await town.stage.bus.call(CheckPassword(phone=PHONE, password=PASSWORD))
    body = {"phone": PHONE, "code": GOOD_CODE, "new_password": "dos caballos azules"}
    assert (await town.http.post("/v1/users/password-reset", json=body)).status_code == 204
    again = await town.http.post(link)
    assert (again.status_code, ACCESS_ENDED in again.headers) == (200, False)
    assert (await town.stage.bus.call(CheckPassword(phone=PHONE, password="dos caballos azules"))).id == ana


async def test_a_thief_who_changes_it_twice_cannot_take_it_back_again(town: Town) -> None:
    ana = await town.a_person()
    await change(town, ana)
    town.auth.forget_codes()
    await change(town, ana, phone=THIRD_PHONE)
    first, second = await town.told(PhoneChanged)
    assert (await town.http.post(link_of(town, first))).status_code == 200
    assert await phone_of(town, ana) == PHONE
    await town.http.post(link_of(town, second))
    assert await phone_of(town, ana) == PHONE


async def test_nobody_else_gets_a_number_that_may_yet_go_back(town: Town) -> None:
    ana = await town.a_person()
    await change(town, ana)
    town.auth.forget_codes()
    answer = await town.sign_up()
    assert (answer.status_code, answer.json()["code"]) == (409, "phone_taken")
    beto = await town.a_person(THIRD_PHONE)
    town.auth.forget_codes()
    answer = await change(town, beto, phone=PHONE)
    assert (answer.status_code, answer.json()["code"]) == (409, "phone_taken")
    town.auth.forget_codes()
    assert (await change(town, ana, phone=PHONE)).status_code == 200
    async with town.users.db.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE phone_changes SET undo_until = now()")
    town.auth.forget_codes()
    assert (await town.sign_up(phone=OTHER_PHONE)).status_code == 201


async def test_a_link_is_of_its_purpose_its_time_and_nobody_elses_making(town: Town) -> None:
    ana = await town.a_person()
    await change(town, ana)
    [told] = await town.told(PhoneChanged)
    link = link_of(town, told)
    late = told.model_copy(update={"undo_until": real_now() - timedelta(seconds=1)})
    other = told.model_copy(update={"change_id": new_id()})
    for wrong in (
        link_of(town, told, purpose=CONFIRM_EMAIL),
        link_of(town, late),
        link_of(town, other),
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        LINK + "?token=",
        LINK + "?token=%F0%9F%A7%89",
    ):
        for answer in (await town.http.get(wrong), await town.http.post(wrong)):
            assert (answer.status_code, "<form" in answer.text) == (404, False)
    assert await phone_of(town, ana) == OTHER_PHONE
    assert (await town.http.get(LINK)).status_code == 422
