"""An e-mail address is confirmed by the link that was sent to it."""

from uuid import UUID

import httpx
import pytest

from tests.users.town import Town
from turnosya.contracts.users import CONFIRM_EMAIL, EmailConfirmationRequested

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINK, OWN = "/v1/users/links/email-confirmation", "/v1/users/me/email-confirmation"


def link_of(town: Town, told: EmailConfirmationRequested) -> str:
    address = town.users.links.address(CONFIRM_EMAIL, str(told.confirmation_id), expires_at=told.expires_at)
    return LINK + "?" + address.partition("?")[2]


async def is_confirmed(town: Town, user_id: UUID) -> bool:
    answer = await town.http.get(OWN, headers=town.callers.headers(user_id))
    assert answer.status_code == 200
    return answer.json()["confirmed_at"] is not None


async def test_the_address_of_a_sign_up_is_confirmed_by_its_link(town: Town) -> None:
    ana = await town.a_person(email="ana@mail.com")
    [told] = await town.told(EmailConfirmationRequested)
    assert (told.user_id, told.email) == (ana, "ana@mail.com")
    assert "<form" in (await town.http.get(link_of(town, told))).text
    assert not await is_confirmed(town, ana)
    for _ in range(2):
        assert (await town.http.post(link_of(town, told))).status_code == 200
        assert await is_confirmed(town, ana)


async def test_another_address_is_to_be_confirmed_anew_and_the_old_link_is_good_no_more(town: Town) -> None:
    ana = await town.a_person(email="ana@mail.com")
    headers = town.callers.headers(ana)
    for email in ("ana@work.com", "ana@work.com"):
        answer = await town.http.patch("/v1/users/me", json={"email": email}, headers=headers)
        assert answer.status_code == 200
    first, second = await town.told(EmailConfirmationRequested)
    assert second.email == "ana@work.com"
    assert (await town.http.post(link_of(town, first))).status_code == 404
    assert not await is_confirmed(town, ana)
    assert (await town.http.post(link_of(town, second))).status_code == 200
    assert await is_confirmed(town, ana)
    await town.http.patch("/v1/users/me", json={"email": None}, headers=headers)
    assert (await town.http.get(OWN, headers=headers)).json() == {"email": None, "confirmed_at": None}
    assert (await town.http.post(link_of(town, second))).status_code == 404


async def test_the_link_is_sent_again_once_a_minute_while_it_is_wanted(town: Town) -> None:
    ana = await town.a_person(email="ana@mail.com")
    headers = town.callers.headers(ana)
    too_soon = await town.http.post(OWN, headers=headers)
    assert (too_soon.status_code, too_soon.json()["code"]) == (429, "rate_limited")
    assert 0 < int(too_soon.headers["Retry-After"]) <= 60
    async with town.users.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE email_confirmations SET asked_at = asked_at - interval '60 s'"
        )
    assert (await town.http.post(OWN, headers=headers)).status_code == 202
    first, second = await town.told(EmailConfirmationRequested)
    assert (await town.http.post(link_of(town, first))).status_code == 404
    assert (await town.http.post(link_of(town, second))).status_code == 200
    assert (await town.http.post(OWN, headers=headers)).status_code == 202
    assert len(await town.told(EmailConfirmationRequested)) == 2


async def test_who_changes_their_address_on_and_on_floods_nobody(town: Town) -> None:
    headers = town.callers.headers(await town.a_person(email="ana@mail.com"))

    async def change(email: str | None) -> httpx.Response:
        return await town.http.patch("/v1/users/me", json={"email": email}, headers=headers)

    for n in range(9):
        assert (await change(None)).status_code == 200
        assert (await change(f"somebody{n % 2}@mail.com")).status_code == 200
    assert (await change(None)).status_code == 200
    refused = await change("somebody@mail.com")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert (await town.http.get("/v1/users/me", headers=headers)).json()["email"] is None
    assert (await change(None)).status_code == 200
    assert len(await town.told(EmailConfirmationRequested)) == 10
    async with town.users.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE email_confirmations SET asked_lately[1] = asked_lately[1] - interval '1 hour'"
        )
    assert (await change("somebody@mail.com")).status_code == 200
    assert (await change("other@mail.com")).status_code == 429


async def test_without_an_address_there_is_nothing_to_confirm(town: Town) -> None:
    headers = town.callers.headers(await town.a_person())
    answer = await town.http.post(OWN, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await town.told(EmailConfirmationRequested) == []
