"""The page of a business: all that is public, in three languages, and nothing that its texts could break."""

import json
import re
from datetime import datetime
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.business.street import ADMIN, BASE, ZONE, Street
from turnosya.contracts.turnos import GetOpening, NextTimes, OpenHours, Opening
from turnosya.contracts.users import PersonErased
from turnosya.services.business import erasure

pytestmark = pytest.mark.asyncio(loop_scope="module")

NASTY = "</script><script>alert(1)</script> \"'&<!--"


async def page(street: Street, slug: str, language: str = "es", query: str = "") -> httpx.Response:
    return await street.http.get(f"/b/{slug}{query}", headers={"Accept-Language": language})


async def slug_of(street: Street, shop: str, *, by: UUID | None = None) -> str:
    return str((await street.got("GET", shop, by=by))["slug"])


def linked_data(answer: httpx.Response) -> dict[str, Any]:
    [found] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', answer.text, re.DOTALL)
    data: dict[str, Any] = json.loads(found)
    return data


async def a_full_shop(street: Street) -> tuple[str, str]:
    shop = await street.a_shop(
        name="Barbería Ñandú",
        description="Cortes de siempre.\nSin apuro.",
        category="barbershop",
        address={"street": "Corrientes 1234", "city": "Buenos Aires", "country": "AR"},
        location={"lat": -34.6, "lon": -58.4},
        phone="+541143211234",
        email="hola@nandu.example",
        website="https://nandu.example",
        accepted_payments=["cash", "mercado_pago"],
    )
    cut = await street.a_service(shop, price={"amount": 1500000, "currency": "ARS"})
    starts_at = [datetime.fromisoformat(f"2030-06-14T1{hour}:00:00-03:00") for hour in (0, 1)]
    street.turnos.openings[UUID(shop[1:])] = Opening(
        timezone=ZONE,
        open_now=True,
        closes_at=datetime.fromisoformat("2030-06-13T18:00:00-03:00"),
        opens_at=None,
        weekly=[
            OpenHours(weekday=1, start="09:00", end="18:00"),
            OpenHours(weekday=5, start="20:00", end="24:00"),
        ],
        next_times=[NextTimes(service_id=UUID(cut["id"]), starts_at=starts_at)],
    )
    street.turnos.visited[street.beto, UUID(shop[1:])] = 1
    await street.got("PUT", f"{shop}/rating", {"stars": 4, "comment": "Muy bien"}, by=street.beto)
    return shop, await slug_of(street, shop)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es", "Barbería|Abierto hasta jue 13/6, 18:00|$15.000,00|vie 14/6, 10:00|Efectivo|4,0|Lunes"),
        ("en", "Barbershop|Open until Thu 6/13, 18:00|ARS15,000.00|Fri 6/14, 10:00|Cash|4.0|Monday"),
        ("pt-BR", "Barbearia|Aberto até qui. 13/6, 18:00|ARS15.000,00|14/6, 10:00|Dinheiro|Segunda-feira"),
    ],
    ids=["es", "en", "pt"],
)
async def test_it_says_all_that_is_public_in_the_visitors_language(
    street: Street, language: str, said: str
) -> None:
    _, slug = await a_full_shop(street)
    assert slug == "barberia-nandu"
    answer = await page(street, slug, language)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (answer.headers["content-language"], answer.headers["vary"]) == (language[:2], "Accept-Language")
    text = unescape(answer.text).replace("\xa0", "")
    for words in [
        *said.split("|"),
        "Corrientes 1234, Buenos Aires",
        "Muy bien",
        "09:00–18:00",
        "20:00–24:00",
    ]:
        assert words in text, words
    chosen = await page(street, slug, language, "?lang=en")
    assert "Opening hours" in chosen.text


async def test_search_engines_and_messengers_understand_it(street: Street) -> None:
    _, slug = await a_full_shop(street)
    answer = await page(street, slug)
    data = linked_data(answer)
    assert data["@type"] == "LocalBusiness"
    assert data["aggregateRating"] == {
        "@type": "AggregateRating", "ratingValue": 4.0, "ratingCount": 1, "bestRating": 5, "worstRating": 1,
    }  # fmt: skip
    hours = data["openingHoursSpecification"]
    assert [(one["dayOfWeek"][-6:], one["closes"]) for one in hours] == [
        ("Monday", "18:00"),
        ("Friday", "23:59"),
    ]
    assert data["makesOffer"] == [
        {
            "@type": "Offer",
            "itemOffered": {"@type": "Service", "name": "Corte"},
            "price": "15000.00",
            "priceCurrency": "ARS",
        }
    ]
    tags = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', answer.text))
    assert (tags["title"], tags["locale"]) == ("Barbería Ñandú", "es_AR")
    assert tags["url"].endswith(f"/b/{slug}?lang=es")
    assert re.findall(r'hreflang="(\w+)" href="', answer.text) == ["es", "en", "pt"]


async def test_no_text_of_a_business_ends_what_it_stands_in(street: Street) -> None:
    shop = await street.a_shop(name=NASTY, description=NASTY, category="x'\"><b>")
    await street.a_service(shop, name=NASTY, description=NASTY)
    answer = await page(street, await slug_of(street, shop))
    assert answer.text.count("<script") == 1
    assert "<b>" not in answer.text
    assert linked_data(answer)["name"] == NASTY
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


async def test_without_turnos_there_are_no_times_and_all_the_rest(street: Street) -> None:
    _, slug = await a_full_shop(street)
    bring_back = street.take_away(GetOpening)
    answer = await page(street, slug)
    bring_back()
    assert answer.status_code == 200
    assert "Ahora no podemos mostrar los horarios libres" in answer.text
    assert "Corte" in answer.text


async def test_what_is_not_there_is_a_page_too(street: Street) -> None:
    shop, slug = await a_full_shop(street)
    for there, language, words in (
        ("nadie", "es", "No hay nada acá"),
        ("x" * 300, "en", "There is nothing here"),
        ("%00", "pt", "Não há nada aqui"),
    ):
        answer = await page(street, there, language)
        assert (answer.status_code, words in answer.text) == (404, True)
    await street.got("POST", f"{shop}/suspension", {"reason": "x"}, by=ADMIN)
    assert (await page(street, slug)).status_code == 404
    await street.got("DELETE", f"{shop}/suspension", by=ADMIN, status=204)
    assert (await page(street, slug)).status_code == 200
    await street.got("DELETE", shop, by=street.ana, status=204)
    assert (await page(street, slug)).status_code == 404


async def test_the_address_of_a_page_is_its_own_and_stays(street: Street) -> None:
    shops = [await street.a_shop(name="Café & Té") for _ in range(3)]
    slugs = [await slug_of(street, shop) for shop in shops]
    assert slugs[0] == "cafe-te"
    assert len(set(slugs)) == 3
    assert all(re.fullmatch(r"cafe-te-[0-9a-f]{8}", slug) for slug in slugs[1:])
    assert re.fullmatch(r"b-[0-9a-f]{8}", await slug_of(street, await street.a_shop(name="美容院")))
    await street.got("PATCH", shops[0], {"name": "Otro nombre"}, by=street.ana)
    assert "Otro nombre" in (await page(street, "cafe-te")).text


async def test_an_erased_owners_name_is_in_no_address(street: Street) -> None:
    shop = await street.a_shop(name="Ana Paz Peluquería")
    event = PersonErased(user_id=street.ana, key="k")
    await erasure.forget(street.business, event)
    async with street.business.db.read() as tx:
        row = await tx.connection.exec_driver_sql(
            f"SELECT slug, words::text AS words FROM businesses WHERE id = '{shop[1:]}'"  # noqa: S608 - an id of ours
        )
        found = row.mappings().one()
    assert "ana" not in found["slug"]
    assert "paz" not in found["words"]
    assert (await street.http.get(f"{BASE}{shop}")).status_code == 404


async def test_the_opening_summary_is_turnos_own(street: Street) -> None:
    shop, _ = await a_full_shop(street)
    shown = await street.got("GET", f"{shop}/opening?times=2")
    assert (shown["open_now"], shown["closes_at"]) == (True, "2030-06-13T18:00:00-03:00")
    assert shown["next_times"][0]["starts_at"][0] == "2030-06-14T10:00:00-03:00"
    await street.refused("GET", f"{shop}/opening?times=11", status=422, code="validation_failed")
    bring_back = street.take_away(GetOpening)
    await street.refused("GET", f"{shop}/opening", status=503, code="service_unavailable")
    bring_back()
