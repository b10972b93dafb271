"""A business as such: opened, read, found among one's own, changed and closed."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.business.street import ZONE, Street
from tests.stage import until
from turnosya.contracts.business import GetBusiness
from turnosya.contracts.users import GetPeople
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING: dict[str, Any] = {
    "name": "Peluquería Ñandú 💈",
    "timezone": ZONE,
    "description": "Cortes\ny color",
    "category": "Peluquería",
    "address": {
        "street": "Corrientes 1234",
        "city": "Buenos Aires",
        "region": "CABA",
        "postal_code": "C1043AAZ",
        "country": "AR",
    },
    "location": {"lat": -34.6037, "lon": -58.3816},
    "phone": "+541143820000",
    "email": "hola@nandu.com.ar",
    "website": "https://nandu.com.ar/turnos?de=hoy",
    "accepted_payments": ["cash", "debit_card", "credit_card", "transfer", "mercado_pago"],
    "currency": "UYU",
}


async def test_a_business_opens_with_all_it_says_and_one_member(street: Street) -> None:
    made = await street.got("POST", "", EVERYTHING, by=street.ana, status=201)
    assert made["created_at"].endswith("-03:00")
    assert UUID(made["id"]).version == 7
    known = {
        "owner_id": str(street.ana),
        "rating": {"average": None, "count": 0},
        "rating_distribution": {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0},
        "verified": False,
        "profile_image": None,
        "portrait_image": None,
        "distance_m": None,
        "suspension": None,
        "slug": made["slug"],
        "category_names": {"es": "Peluquería", "en": "Hair salon", "pt": "Cabeleireiro"},
    }
    assert made == EVERYTHING | known | {"id": made["id"], "created_at": made["created_at"]}
    assert await street.got("GET", f"/{made['id']}") == made
    [member] = (await street.got("GET", f"/{made['id']}/staff"))["items"]
    assert (member["name"], member["user_id"], member["active"]) == ("Ana", str(street.ana), True)
    assert await street.got("GET", f"/{made['id']}/services") == {"items": [], "next_cursor": None}


async def test_what_is_not_said_is_null_and_money_is_pesos(street: Street) -> None:
    made = await street.got("POST", "", {"name": " Taller ", "timezone": "UTC"}, by=street.ana, status=201)
    assert (made["name"], made["currency"]) == ("Taller", "ARS")
    unset = set(EVERYTHING) - {"name", "timezone", "currency"}
    assert {name: made[name] for name in unset} == dict.fromkeys(unset)


async def test_an_address_may_be_known_in_part(street: Street) -> None:
    made = await street.got("GET", await street.a_shop(address={"city": "Salta", "country": "ar"}))
    parts = {"street": None, "city": "Salta", "region": None, "postal_code": None, "country": "AR"}
    assert made["address"] == parts


@pytest.mark.parametrize(
    "name", ["💈✂️", "حلاق القاهرة", "מספרה", "O'Higgins & <b>Co</b>", "x" * 100, "理髪店"]
)
async def test_a_name_may_be_written_in_any_script(street: Street, name: str) -> None:
    assert (await street.got("GET", await street.a_shop(name=name)))["name"] == name


async def test_only_who_has_an_account_opens_a_business(street: Street) -> None:
    body = {"name": "Taller", "timezone": ZONE}
    await street.refused("POST", "", body, status=401, code="token_missing")
    await street.refused("POST", "", body, by=new_id(), status=404, code="not_found")


async def test_absent_is_kept_and_null_is_cleared(street: Street) -> None:
    shop = await street.a_shop(**EVERYTHING)
    before = await street.got("GET", shop)
    assert await street.got("PATCH", shop, {}, by=street.ana) == before
    after = await street.got("PATCH", shop, {"name": "Ñandú", "phone": None}, by=street.ana)
    assert after == before | {"name": "Ñandú", "phone": None}
    cleared = dict.fromkeys(set(EVERYTHING) - {"name", "timezone"})
    after = await street.got("PATCH", shop, cleared, by=street.ana)
    assert after == before | {"name": "Ñandú"} | cleared | {"currency": "ARS", "category_names": None}
    assert await street.got("GET", shop) == after


async def test_an_address_that_is_sent_replaces_the_whole_one(street: Street) -> None:
    shop = await street.a_shop(**EVERYTHING)
    after = await street.got("PATCH", shop, {"address": {"city": "Salta"}}, by=street.ana)
    assert [part for part, value in after["address"].items() if value is not None] == ["city"]


@pytest.mark.parametrize("field", ["name", "timezone"])
async def test_what_must_be_there_cannot_be_cleared(street: Street, field: str) -> None:
    problem = await street.refused(
        "PATCH", await street.a_shop(), {field: None}, by=street.ana, status=422, code="validation_failed"
    )
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_stranger_sees_a_business_and_changes_nothing(street: Street) -> None:
    shop = await street.a_shop()
    before, rows = await street.got("GET", shop), await street.rows()
    await street.refused("PATCH", shop, {"name": "x"}, status=401, code="token_missing")
    await street.refused("DELETE", shop, status=401, code="token_missing")
    await street.refused("PATCH", shop, {"name": "x"}, by=street.beto, status=403, code="forbidden")
    await street.refused("DELETE", shop, by=street.beto, status=403, code="forbidden")
    assert (await street.got("GET", shop), await street.rows()) == (before, rows)


@pytest.mark.parametrize(
    "business_id", ["0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "nobody", "0", "%00", "mine%2F", "ñ", "1" * 500]
)
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)])
async def test_what_is_not_there_is_not_found(
    street: Street, business_id: str, method: str, body: object
) -> None:
    await street.refused(method, f"/{business_id}", body, by=street.ana, status=404, code="not_found")


async def test_a_token_that_is_wrong_is_never_taken_for_none(street: Street) -> None:
    shop = await street.a_shop()
    forged = {"Authorization": "Bearer forged"}
    for path in ("/mine", ""):
        answer = await street.http.get(f"/v1/businesses{path}", headers=forged)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid"), path
    for path in (shop, f"{shop}/services", f"{shop}/staff"):
        answer = await street.http.get(f"/v1/businesses{path}", headers=forged)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid"), path


async def test_one_lists_ones_own_businesses_page_by_page(street: Street) -> None:
    mine = [(await street.a_shop(name=f"Local {number}"))[1:] for number in range(3)]
    await street.got("POST", "", {"name": "De Beto", "timezone": ZONE}, by=street.beto, status=201)
    gone = await street.a_shop(name="Cerrado")
    await street.got("DELETE", gone, by=street.ana, status=204)
    first = await street.got("GET", "/mine?limit=2", by=street.ana)
    last = await street.got("GET", f"/mine?limit=2&cursor={first['next_cursor']}", by=street.ana)
    assert [item["id"] for item in first["items"] + last["items"]] == mine
    assert last["next_cursor"] is None
    assert [one["name"] for one in (await street.got("GET", "/mine", by=street.beto))["items"]] == ["De Beto"]
    await street.refused("GET", "/mine", status=401, code="token_missing")


async def test_anothers_cursor_shows_only_ones_own(street: Street) -> None:
    for number in range(2):
        await street.a_shop(name=f"Local {number}")
    page = await street.got("GET", "/mine?limit=1", by=street.ana)
    stolen = await street.got("GET", f"/mine?cursor={page['next_cursor']}", by=street.beto)
    assert stolen == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("path", ["", "/mine", "/{shop}/services", "/{shop}/staff"])
@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=x", "limit=", "limit=9223372036854775808"),
        *("cursor=!", "cursor=W10", "cursor=WyJhIl0", "cursor=bnVsbA", "cursor=" + "a" * 2000),
    ],
)
async def test_a_bad_page_is_refused(street: Street, path: str, query: str) -> None:
    path = path.replace("/{shop}", await street.a_shop())
    await street.refused("GET", f"{path}?{query}", by=street.ana, status=422, code="validation_failed")


async def test_the_same_request_under_a_key_opens_one_business(street: Street) -> None:
    body = {"name": "Taller", "timezone": ZONE}
    answers = await asyncio.gather(
        *(street.ask("POST", "", body, by=street.ana, key="one") for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == 9
    assert len((await street.got("GET", "/mine", by=street.ana))["items"]) == 1
    other = await street.ask("POST", "", body | {"name": "Otro"}, by=street.ana, key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    hers = await street.ask("POST", "", body, by=street.beto, key="one")
    assert hers.json()["owner_id"] == str(street.beto)


async def test_two_copies_of_the_service_give_one_answer_to_one_key(street: Street) -> None:
    body = {"name": "Taller", "timezone": ZONE}
    headers = street.callers.headers(street.ana) | {"Idempotency-Key": "one"}
    async with street.another_copy() as copy:
        answers = await asyncio.gather(
            *(one.post("/v1/businesses", json=body, headers=headers) for one in (copy, street.http) * 5)
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await street.got("GET", "/mine", by=street.ana))["items"]) == 1


async def test_a_refused_request_leaves_its_key_free(street: Street) -> None:
    wrong = await street.ask("POST", "", {"name": "Taller", "timezone": "Mars"}, by=street.ana, key="one")
    assert wrong.status_code == 422
    right = await street.ask("POST", "", {"name": "Taller", "timezone": ZONE}, by=street.ana, key="one")
    assert right.status_code == 201


async def test_a_closed_business_is_gone_with_all_that_is_in_it(street: Street) -> None:
    shop = await street.a_shop()
    service = await street.a_service(shop)
    assert (await street.ask("DELETE", shop, by=street.ana)).status_code == 204
    for path in (shop, f"{shop}/services", f"{shop}/services/{service['id']}", f"{shop}/staff"):
        await street.refused("GET", path, status=404, code="not_found")
    await street.refused("DELETE", shop, by=street.ana, status=404, code="not_found")
    await street.refused("PATCH", shop, {"name": "x"}, by=street.ana, status=404, code="not_found")
    await street.refused(
        "POST", f"{shop}/staff", {"name": "Caro"}, by=street.ana, status=404, code="not_found"
    )
    known = await street.stage.bus.call(GetBusiness(business_id=UUID(shop[1:])))
    assert known.deleted


async def test_a_business_with_turnos_to_come_is_not_closed(street: Street) -> None:
    shop = await street.a_shop()
    service, owner = await street.a_service(shop), await street.the_owner(shop)
    ids = {"service_id": UUID(service["id"]), "staff_id": UUID(owner["id"])}
    street.turnos.a_turno(UUID(shop[1:]), **ids)
    await street.refused("DELETE", shop, by=street.ana, status=409, code="business_has_appointments")
    assert (await street.got("GET", shop))["id"] == shop[1:]
    # What turnos may do with them on a change is no way round it.
    answer = await street.ask("DELETE", f"{shop}?on_conflict=cancel", by=street.ana)
    assert (answer.status_code, answer.json()["code"]) == (409, "business_has_appointments")


async def test_other_services_ask_for_the_whole_business(street: Street) -> None:
    shop = await street.a_shop(**EVERYTHING)
    service = await street.a_service(shop, price={"amount": 1500000, "currency": "ARS"})
    known = await street.stage.bus.call(GetBusiness(business_id=UUID(shop[1:])))
    assert (known.owner_id, known.timezone, known.country, known.currency) == (street.ana, ZONE, "AR", "UYU")
    assert known.address_line == "Corrientes 1234, Buenos Aires, CABA"
    assert [str(one.id) for one in known.services] == [service["id"]]
    assert known == await street.turnos_knows(shop[1:], version=known.version)
    with pytest.raises(NotFound):
        await street.stage.bus.call(GetBusiness(business_id=new_id()))


async def test_with_users_away_no_business_opens_and_the_next_try_does(street: Street) -> None:
    bring_back = street.take_away(GetPeople)
    answer = await street.ask("POST", "", {"name": "Taller", "timezone": ZONE}, by=street.ana)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    bring_back()
    await street.a_shop()


async def test_a_business_is_found_by_its_words(street: Street) -> None:
    names = ["Barbería Ñandú", "100% Uñas", "Gimnasio_Sur"]
    for name in names:
        await street.a_shop(name=name, category="salud" if name == names[1] else None)

    async def found(query: str) -> list[str]:
        return [one["name"] for one in (await street.got("GET", f"?{query}"))["items"]]

    assert await found("") == names
    assert await found("q=barb") == names[:1]
    assert await found("q=%25") == names[1:2]
    assert await found("q=_") == names[2:]
    assert await found("category=SALUD") == names[1:2]
    assert await found("q=nada") == []
    await street.refused("GET", "?q=%00", status=422, code="validation_failed")


async def test_a_refusal_is_in_the_callers_language(street: Street) -> None:
    for language, words in (("es", "No se encontró."), ("en", "Not found."), ("pt-BR", "Não encontrado.")):
        answer = await street.ask("GET", f"/{new_id()}", language=language)
        assert answer.json()["detail"] == words


async def test_what_nobody_heard_of_a_new_business_is_told_once(street: Street) -> None:
    shop = await street.a_shop()

    async def told() -> list[int]:
        return [one.version for one in street.turnos.told if str(one.id) == shop[1:]]

    assert await until(told, bool) == [1]
