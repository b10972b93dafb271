"""Signing up: a number that a code proves becomes one account."""

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.users.town import (
    GOOD_CODE,
    OTHER_PHONE,
    PASSWORD,
    PHONE,
    SIXTH_CODE,
    WRONG_CODE,
    Town,
)
from turnosya.contracts.users import FindByPhone
from turnosya.runtime.ids import new_id
from turnosya.services.users.refusals import PhoneTaken
from turnosya.services.users.registration import NewPerson, new_account
from turnosya.services.users.store import accounts

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_person_signs_up_and_sees_every_field(town: Town) -> None:
    answer = await town.sign_up(phone="011 15-2233-4455", email="Ana@Mail.com", locale="pt")
    assert answer.status_code == 201
    person = answer.json()
    assert person.pop("created_at").endswith("Z")
    assert len(person.pop("id")) == 36
    assert person == {
        "phone": PHONE,
        "name": "Ana",
        "email": "Ana@mail.com",
        "locale": "pt",
        "photo": None,
        "roles": [],
    }


@pytest.mark.parametrize(
    ("header", "locale"), [(None, "es"), ("pt-BR,pt;q=0.9", "pt"), ("fr, en;q=0.5", "en"), ("ja", "es")]
)
async def test_the_language_defaults_to_that_of_the_request(
    town: Town, header: str | None, locale: str
) -> None:
    answer = await town.sign_up({"Accept-Language": header} if header else None)
    assert answer.json()["locale"] == locale


async def test_one_number_is_one_account_however_it_is_written(town: Town) -> None:
    await town.a_person("+54 9 11 2233-4455")
    for spelling in ("011 15-2233-4455", "+54 11 2233 4455"):
        town.auth.forget_codes()
        answer = await town.sign_up(phone=spelling)
        assert (answer.status_code, answer.json()["code"]) == (409, "phone_taken")


async def test_who_cannot_prove_a_number_does_not_learn_that_it_has_an_account(town: Town) -> None:
    await town.a_person()
    for phone in (PHONE, OTHER_PHONE):
        answer = await town.sign_up(phone=phone, code=WRONG_CODE)
        assert (answer.status_code, answer.json()["code"]) == (422, "otp_invalid")


async def test_too_many_tries_of_a_code_are_said(town: Town) -> None:
    answer = await town.sign_up(code=SIXTH_CODE)
    assert (answer.status_code, answer.json()["code"]) == (429, "otp_attempts_exceeded")


async def test_an_address_belongs_to_one_account_whatever_its_case(town: Town) -> None:
    await town.a_person(email="ana@mail.com")
    answer = await town.sign_up(phone=OTHER_PHONE, email="ANA@mail.com")
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": "admin"}, "role"),
        ({"roles": ["admin"]}, "roles"),
        ({"name": ...}, "name"),
        ({"name": 7}, "name"),
        ({"name": "Ana\x00"}, "name"),
        ({"name": "x" * 500_000}, "name"),
        ({"phone": "911"}, "phone"),
        ({"phone": None}, "phone"),
        ({"code": 123456}, "code"),
        ({"password": "short"}, "password"),
        ({"password": "12345678"}, "password"),
        ({"email": "nobody"}, "email"),
        ({"locale": "fr"}, "locale"),
    ],
)
async def test_a_wrong_field_is_named_and_the_code_stays_good(
    town: Town, change: dict[str, Any], field: str
) -> None:
    answer = await town.sign_up(**change)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await town.sign_up()).status_code == 201


async def test_malformed_json_is_no_request(town: Town) -> None:
    answer = await town.http.post("/v1/users", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_the_same_request_under_a_key_gets_the_first_answer_again(town: Town) -> None:
    key = {"Idempotency-Key": "one"}
    first, second = await asyncio.gather(town.sign_up(key), town.sign_up(key))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert {first.headers.get("Idempotent-Replayed"), second.headers.get("Idempotent-Replayed")} == {
        None,
        "true",
    }
    other = await town.sign_up(key, name="Beto")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_refused_sign_up_under_a_key_may_be_mended_with_the_same_code(town: Town) -> None:
    await town.a_person(OTHER_PHONE, email="ana@mail.com")
    key = {"Idempotency-Key": "one"}
    assert (await town.sign_up(key, email="ana@mail.com")).status_code == 409
    assert (await town.sign_up(key, email="ana2@mail.com")).status_code == 201


async def test_of_fifty_sign_ups_with_one_number_one_gets_it(town: Town) -> None:
    ana = NewPerson(phone=PHONE, name="Ana", password=PASSWORD, email=None, locale="es")
    one = await new_account(town.users, ana)
    rivals = [replace(one, id=new_id()) for _ in range(50)]

    async def add(rival: accounts.Account) -> bool:
        try:
            async with town.users.db.transaction() as tx:
                await accounts.add(tx, rival)
        except PhoneTaken:
            return False
        return True

    outcomes = await asyncio.gather(*(add(rival) for rival in rivals))
    assert sum(outcomes) == 1


async def test_of_fifty_requests_with_one_code_one_gets_an_account(town: Town) -> None:
    answers = await asyncio.gather(*(town.sign_up(code=GOOD_CODE) for _ in range(50)))
    codes = sorted(answer.json().get("code", "made") for answer in answers)
    assert codes == ["made"] + ["otp_invalid"] * 49


async def test_ten_repeats_on_two_copies_make_one_account(town: Town) -> None:
    body = {"phone": PHONE, "code": GOOD_CODE, "name": "Ana", "password": PASSWORD}
    key = {"Idempotency-Key": "one"}
    async with town.another_copy() as copy:
        answers = await asyncio.gather(
            *(one.post("/v1/users", json=body, headers=key) for one in (copy, town.http) * 5)
        )
    assert {answer.status_code for answer in answers} == {201}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == 9
    assert len((await town.stage.bus.call(FindByPhone(phone=PHONE))).people) == 1


async def test_a_process_killed_after_the_code_was_used_leaves_it_good_for_a_repeat(town: Town) -> None:
    used, never = asyncio.Event(), asyncio.Event()

    async def used_and_killed() -> None:
        used.set()
        await never.wait()

    town.auth.after_use = used_and_killed
    key = {"Idempotency-Key": "one"}
    asking = asyncio.create_task(town.sign_up(key))
    await used.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    town.auth.after_use = None
    never.set()
    assert (await town.stage.bus.call(FindByPhone(phone=PHONE))).people == []
    # Another person with the same code is refused; the same request is not.
    assert (await town.sign_up({"Idempotency-Key": "two"})).json()["code"] == "otp_invalid"
    body = {"phone": PHONE, "code": GOOD_CODE, "name": "Ana", "password": PASSWORD}
    async with town.another_copy() as copy:
        answer = await copy.post("/v1/users", json=body, headers=key)
    assert answer.status_code == 201


async def test_a_number_that_is_taken_is_said_before_an_address_that_is(town: Town) -> None:
    await town.a_person(email="ana@mail.com")
    town.auth.forget_codes()
    answer = await town.sign_up(email="ana@mail.com")
    assert (answer.status_code, answer.json()["code"]) == (409, "phone_taken")
    answer = await town.sign_up(email="ana@mail.com", code=WRONG_CODE)
    assert (answer.status_code, answer.json()["code"]) == (422, "otp_invalid")


async def test_what_is_kept_for_a_key_does_not_let_the_password_be_guessed(town: Town) -> None:
    """Whoever steals the table knows number and name, and could try passwords against a plain digest."""
    body = {"phone": PHONE, "code": GOOD_CODE, "name": "Ana", "password": PASSWORD}
    assert (await town.sign_up({"Idempotency-Key": "only-Ana-knows-this"})).status_code == 201
    async with town.users.db.read() as tx:
        rows = await tx.connection.exec_driver_sql("SELECT body_digest, t::text AS whole FROM kept_answers t")
        kept = rows.one()
    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    assert bytes(kept.body_digest) != hashlib.sha256(text).digest()
    assert all(secret not in kept.whole for secret in ("only-Ana-knows-this", PASSWORD, GOOD_CODE))
