"""Who people are: to themselves, to others and to admins."""

from uuid import UUID

import pytest

from tests.users.town import OTHER_PHONE, PHONE, THIRD_PHONE, Town
from turnosya.contracts.files import FileGone
from turnosya.contracts.users import FindByPhone, GetPeople, PersonChanged
from turnosya.runtime.ids import new_id
from turnosya.services.users.store import accounts

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_one_sees_and_changes_ones_own_profile(town: Town) -> None:
    ana = await town.a_person(email="ana@mail.com")
    headers = town.callers.headers(ana)
    before = (await town.http.get("/v1/users/me", headers=headers)).json()
    assert (before["name"], before["email"], before["phone"]) == ("Ana", "ana@mail.com", PHONE)
    answer = await town.http.patch("/v1/users/me", json={"name": "Ana María"}, headers=headers)
    assert (answer.status_code, answer.json()) == (200, before | {"name": "Ana María"})
    answer = await town.http.patch("/v1/users/me", json={"email": None, "locale": "en"}, headers=headers)
    assert answer.json() == before | {"name": "Ana María", "email": None, "locale": "en"}
    assert (await town.http.patch("/v1/users/me", json={}, headers=headers)).json() == answer.json()


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"name": None}, "validation_failed", "name"),
        ({"name": "  "}, "validation_failed", "name"),
        ({"phone": THIRD_PHONE}, "validation_failed", "phone"),
        ({"roles": ["admin"]}, "validation_failed", "roles"),
        ({"photo_file_id": "no"}, "validation_failed", "photo_file_id"),
        ({"photo_file_id": "0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"}, "file_not_usable", None),
    ],
)
async def test_a_wrong_change_is_refused(
    town: Town, body: dict[str, object], code: str, field: str | None
) -> None:
    headers = town.callers.headers(await town.a_person())
    answer = await town.http.patch("/v1/users/me", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [error["field"] for error in answer.json()["errors"]] == ([field] if field else [])


async def test_anothers_address_cannot_be_taken(town: Town) -> None:
    await town.a_person(email="ana@mail.com")
    beto = await town.a_person(OTHER_PHONE)
    answer = await town.http.patch(
        "/v1/users/me", json={"email": "ANA@mail.com"}, headers=town.callers.headers(beto)
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_others_see_the_public_part_only(town: Town) -> None:
    ana, beto = await town.a_person(), await town.a_person(OTHER_PHONE, name="Beto")
    answer = await town.http.get(f"/v1/users/{beto}", headers=town.callers.headers(ana))
    assert answer.json() == {"id": str(beto), "name": "Beto", "photo": None}


@pytest.mark.parametrize("user_id", ["019a0000-0000-7000-8000-000000000001", "nobody", "%20"])
async def test_nobody_is_not_found(town: Town, user_id: str) -> None:
    headers = town.callers.headers(await town.a_person())
    answer = await town.http.get(f"/v1/users/{user_id}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/v1/users", "/v1/users/me", "/v1/users/019a0000-0000-7000-8000-000000000001"]
)
async def test_profiles_need_a_token(town: Town, path: str) -> None:
    answer = await town.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    answer = await town.http.get(path, headers={"Authorization": "Bearer forged"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_admins_find_people_page_by_page(town: Town) -> None:
    ids = [
        await town.a_person(phone, name=f"Ana 1{n}%")
        for n, phone in enumerate([PHONE, OTHER_PHONE, THIRD_PHONE])
    ]
    admin = town.callers.headers(ids[0], admin=True)
    found: list[UUID] = []
    cursor = None
    for _ in range(3):
        query = {"q": "ana 1", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await town.http.get("/v1/users", params=query, headers=admin)).json()
        found += [UUID(item["id"]) for item in page["items"]]
        cursor = page["next_cursor"]
    assert (found, cursor) == (ids[::-1], None)

    async def count(words: str) -> int:
        answer = await town.http.get("/v1/users", params={"q": words}, headers=admin)
        return len(answer.json()["items"])

    assert [await count(words) for words in ("0%", "%", "_", "5566", "nobody")] == [1, 3, 0, 1, 0]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"cursor": "!"}, {"cursor": "WyJhIl0"}]
)
async def test_a_bad_page_is_refused(town: Town, query: dict[str, str]) -> None:
    admin = town.callers.headers(await town.a_person(), admin=True)
    answer = await town.http.get("/v1/users", params=query, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_only_admins_search(town: Town) -> None:
    answer = await town.http.get("/v1/users", headers=town.callers.headers(await town.a_person()))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_other_services_ask_who_people_are(town: Town) -> None:
    ana = await town.a_person(locale="pt")
    bus = town.stage.bus
    people = (await bus.call(GetPeople(ids=[ana, new_id()]))).people
    assert [(one.id, one.name, one.locale, one.blocked) for one in people] == [(ana, "Ana", "pt", False)]
    assert (await bus.call(FindByPhone(phone=PHONE))).people == people
    assert (await bus.call(FindByPhone(phone=OTHER_PHONE))).people == []


async def test_a_photo_whose_file_is_gone_is_shown_no_more_and_another_one_stays(town: Town) -> None:
    await town.listen(PersonChanged)
    ana, beto = await town.a_person(), await town.a_person(OTHER_PHONE, name="Beto")
    lost, kept = new_id(), new_id()
    async with town.users.db.transaction() as tx:
        await accounts.change(tx, ana, {"photo_file_id": lost})
        await accounts.change(tx, beto, {"photo_file_id": kept})
    for person, by in ((ana, "users.photo"), (beto, "users.photo"), (beto, "business.picture")):
        [envelope] = await town.stage.tell(FileGone(file_id=lost, by=f"{by}/{person}"))
        await town.stage.bus.deliver(envelope)
    told = await town.told(PersonChanged)
    assert [(one.person.id, one.person.photo_url) for one in told] == [(ana, None)]
    shown = [
        (await town.http.get("/v1/users/me", headers=town.callers.headers(one))).json()["photo"]
        for one in (ana, beto)
    ]
    assert shown == [None, f"/v1/files/{kept}"]
