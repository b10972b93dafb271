"""Passwords: checked, changed and set anew, and what becomes of the sessions."""

import asyncio

import pytest

from tests.stage import until
from tests.timing import is_alike, share_of_slower
from tests.users.town import GOOD_CODE, OTHER_PHONE, PASSWORD, PHONE, SIXTH_CODE, WRONG_CODE, Town
from turnosya.contracts.users import (
    AccessBlocked,
    CheckPassword,
    CredentialsInvalid,
    KeepBlocked,
    SecurityNoted,
)
from turnosya.runtime.http import ACCESS_ENDED
from turnosya.runtime.ids import new_id
from turnosya.services.users.passwords import Passwords

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = "dos caballos azules"


@pytest.fixture(scope="module")
def cheap_passwords() -> None:
    """As they are shipped: what they cost is what these tests are about."""


async def test_the_right_password_is_known_by_number_and_by_address(town: Town) -> None:
    ana = await town.a_person(email="Ana@mail.com")
    bus = town.stage.bus
    assert (await bus.call(CheckPassword(phone=PHONE, password=PASSWORD))).id == ana
    assert (await bus.call(CheckPassword(email="ana@MAIL.com", password=PASSWORD))).id == ana
    # As a telephone's keyboard completes it; the sign-up took it in that spelling too.
    assert (await bus.call(CheckPassword(email=" Ana@mail.com ", password=PASSWORD))).id == ana
    for wrong in (
        CheckPassword(phone=PHONE, password="another"),
        CheckPassword(phone=OTHER_PHONE, password=PASSWORD),
        CheckPassword(email="nobody@mail.com", password=PASSWORD),
        CheckPassword(password=PASSWORD),
    ):
        with pytest.raises(CredentialsInvalid):
            await bus.call(wrong)


async def test_an_unknown_account_costs_a_hash_too(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = Passwords._verify  # pyright: ignore[reportPrivateUsage] - counted on its way

    def counted(self: Passwords, stored: str, password: str) -> bool:
        checked.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(Passwords, "_verify", counted)
    with pytest.raises(CredentialsInvalid):
        await town.stage.bus.call(CheckPassword(phone=OTHER_PHONE, password=PASSWORD))
    assert [stored.split("$")[1:4] for stored in checked] == [["argon2id", "v=19", "m=19456,t=2,p=1"]]


async def test_an_unknown_account_cannot_be_told_from_a_wrong_password_by_the_time(town: Town) -> None:
    await town.a_person()

    async def refused(phone: str) -> None:
        with pytest.raises(CredentialsInvalid):
            await town.stage.bus.call(CheckPassword(phone=phone, password="another"))

    share = await share_of_slower(lambda: refused(PHONE), lambda: refused(OTHER_PHONE))
    assert is_alike(share), share


async def test_what_takes_another_time_would_be_noticed(town: Town) -> None:
    """The same measure sees a check that skips its hash, so the one above can fail."""
    stored = await town.users.passwords.hash(PASSWORD)

    async def skipped() -> None:
        async with town.users.db.read():
            pass

    share = await share_of_slower(lambda: town.users.passwords.match("another", stored), skipped, rounds=10)
    assert not is_alike(share), share


async def test_refusals_are_noted_for_both_without_saying_who_does_not_exist(town: Town) -> None:
    ana = await town.a_person()
    for phone in (PHONE, OTHER_PHONE):
        with pytest.raises(CredentialsInvalid):
            await town.stage.bus.call(CheckPassword(phone=phone, password="another"))
    facts = [(one.kind, one.subject_id, one.reason) for one in await town.told(SecurityNoted)]
    assert sorted(facts, key=str) == sorted(
        [("refused", one, "credentials_invalid") for one in (ana, None)], key=str
    )


async def test_a_blocked_person_is_told_only_with_the_right_password(town: Town) -> None:
    ana = await town.a_person()
    bus = town.stage.bus
    await bus.call(KeepBlocked(user_id=ana, blocked=True, reason="spam", by=new_id(), key="k"))
    with pytest.raises(AccessBlocked):
        await bus.call(CheckPassword(phone=PHONE, password=PASSWORD))
    with pytest.raises(CredentialsInvalid):
        await bus.call(CheckPassword(phone=PHONE, password="another"))


async def test_hashing_never_stops_the_loop(town: Town) -> None:
    await town.a_person()
    work = [town.users.passwords.match(PASSWORD, None) for _ in range(20)]
    hashing = asyncio.gather(*work)
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


async def test_a_new_password_ends_every_other_session_at_once(town: Town) -> None:
    ana, session = await town.a_person(), new_id()
    headers = town.callers.headers(ana, session_id=session)
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = await town.http.put("/v1/users/me/password", json=body, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert str(ana) in answer.headers[ACCESS_ENDED]
    assert [(one.user_id, one.keep_session_id, one.reason) for one in town.auth.ended] == [
        (ana, session, "password_changed")
    ]
    assert (await town.stage.bus.call(CheckPassword(phone=PHONE, password=NEW))).id == ana
    with pytest.raises(CredentialsInvalid):
        await town.stage.bus.call(CheckPassword(phone=PHONE, password=PASSWORD))


async def test_a_password_is_changed_by_who_knows_it(town: Town) -> None:
    headers = town.callers.headers(await town.a_person())
    body = {"current_password": "another", "new_password": NEW}
    answer = await town.http.put("/v1/users/me/password", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_invalid")
    body = {"current_password": PASSWORD, "new_password": "12345678"}
    answer = await town.http.put("/v1/users/me/password", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert town.auth.ended == []


async def test_of_two_changes_at_once_one_is_refused(town: Town) -> None:
    headers = town.callers.headers(await town.a_person())
    answers = await asyncio.gather(
        *(
            town.http.put(
                "/v1/users/me/password",
                json={"current_password": PASSWORD, "new_password": f"{NEW} {number}"},
                headers=headers,
            )
            for number in range(2)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, 401]


async def test_auth_hears_of_a_new_password_when_it_is_back(town: Town) -> None:
    ana = await town.a_person()
    town.auth.away = True
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = await town.http.put("/v1/users/me/password", json=body, headers=town.callers.headers(ana))
    assert answer.status_code == 204
    assert ACCESS_ENDED not in answer.headers
    town.auth.away = False

    async def ended() -> int:
        return len(town.auth.ended)

    assert await until(ended, lambda count: count > 0) == 1


async def test_a_forgotten_password_is_set_anew_with_a_code(town: Town) -> None:
    ana = await town.a_person()
    body = {"phone": "011 15-2233-4455", "code": GOOD_CODE, "new_password": NEW}
    answer = await town.http.post("/v1/users/password-reset", json=body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [(one.user_id, one.keep_session_id) for one in town.auth.ended] == [(ana, None)]
    assert (await town.stage.bus.call(CheckPassword(phone=PHONE, password=NEW))).id == ana


@pytest.mark.parametrize(("phone", "code"), [(PHONE, WRONG_CODE), (OTHER_PHONE, GOOD_CODE)])
async def test_a_reset_needs_an_account_and_its_code(town: Town, phone: str, code: str) -> None:
    await town.a_person()
    body = {"phone": phone, "code": code, "new_password": NEW}
    answer = await town.http.post("/v1/users/password-reset", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "otp_invalid")


async def test_a_late_repeat_of_a_reset_does_not_undo_a_newer_password(town: Town) -> None:
    ana = await town.a_person()
    body = {"phone": PHONE, "code": GOOD_CODE, "new_password": NEW}
    key = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(
        *(town.http.post("/v1/users/password-reset", json=body, headers=key) for _ in range(5))
    )
    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}
    assert sum(ACCESS_ENDED in answer.headers for answer in answers) == 1
    newer = {"current_password": NEW, "new_password": f"{NEW} 2"}
    headers = town.callers.headers(ana)
    assert (await town.http.put("/v1/users/me/password", json=newer, headers=headers)).status_code == 204
    late = await town.http.post("/v1/users/password-reset", json=body, headers=key)
    assert (late.status_code, late.headers["Idempotent-Replayed"]) == (204, "true")
    assert (await town.stage.bus.call(CheckPassword(phone=PHONE, password=f"{NEW} 2"))).id == ana
    assert len(town.auth.ended) == 2
    other = await town.http.post(
        "/v1/users/password-reset", json=body | {"new_password": "x1" * 5}, headers=key
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_too_many_tries_of_a_reset_s_code_are_said(town: Town) -> None:
    await town.a_person()
    body = {"phone": PHONE, "code": SIXTH_CODE, "new_password": NEW}
    answer = await town.http.post("/v1/users/password-reset", json=body)
    assert (answer.status_code, answer.json()["code"]) == (429, "otp_attempts_exceeded")
