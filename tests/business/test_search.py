"""The search: accents and typing errors do not matter, distance and rating order, pages do not repeat."""

from datetime import date
from uuid import UUID

import pytest

from tests.business.street import Street
from turnosya.contracts.turnos import GetOpenNow
from turnosya.services.business import finding

pytestmark = pytest.mark.asyncio(loop_scope="module")

OBELISK = (-34.6037, -58.3816)


async def names(street: Street, query: str) -> list[str]:
    return [one["name"] for one in (await street.got("GET", f"?{query}"))["items"]]


async def a_street(street: Street) -> None:
    for name, category, lat in (
        ("Barbería Ñandú", "barberia", -34.604),
        ("Peluquería Canina Zoe", "veterinaria", -34.62),
        ("Gimnasio Fénix", "gimnasio", -34.75),
        ("Taller El Rápido", "taller", -31.42),
    ):
        city = "Córdoba" if category == "taller" else "Buenos Aires"
        where = {"location": {"lat": lat, "lon": -58.38}, "address": {"city": city}}
        await street.a_shop(name=name, category=category, **where)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ñandu", "Barbería Ñandú"),
        ("BARBERIA", "Barbería Ñandú"),
        ("barveria", "Barbería Ñandú"),
        ("peluqeria", "Peluquería Canina Zoe"),
        ("canina zoe", "Peluquería Canina Zoe"),
        ("gimansio", "Gimnasio Fénix"),
        ("fenix", "Gimnasio Fénix"),
        ("rapid", "Taller El Rápido"),
        ("barberías", "Barbería Ñandú"),
        ("talleres", "Taller El Rápido"),
        ("el taller de la esquina", None),
        ("un taller rapido", "Taller El Rápido"),
        ("el", "Taller El Rápido"),
        ("barbershop", "Barbería Ñandú"),
        ("babreria", "Barbería Ñandú"),
        ("córdoba", "Taller El Rápido"),
    ],
)
async def test_words_are_found_with_typos_and_without_accents(
    street: Street, words: str, found: str | None
) -> None:
    await a_street(street)
    assert (await names(street, f"q={words}"))[:1] == ([] if found is None else [found])


async def test_a_word_that_nobody_uses_any_more_corrects_nothing(street: Street) -> None:
    shop = await street.a_shop(name="Zapatería Oruga", category="zapatos")
    assert await names(street, "q=zapateira") == ["Zapatería Oruga"]
    await street.got("PATCH", shop, {"name": "Kiosco", "category": None}, by=street.ana)
    assert await names(street, "q=zapateira") == []
    assert await words_kept(street) == {"kiosco"}
    other = await street.a_shop(name="Kiosco Dos")
    await street.got("DELETE", shop, by=street.ana, status=204)
    assert await words_kept(street) == {"kiosco"}
    await street.got("DELETE", other, by=street.ana, status=204)
    assert await words_kept(street) == set()


async def words_kept(street: Street) -> set[str]:
    async with street.business.db.read() as tx:
        kept = await tx.connection.exec_driver_sql("SELECT word FROM search_words")
        return set(kept.scalars())


async def test_a_kind_is_found_by_its_name_in_any_language(street: Street) -> None:
    await a_street(street)
    shown = (await street.got("GET", "/categories"))["items"]
    one = next(kind for kind in shown if kind["key"] == "barbershop")
    assert one["names"] == {"es": "Barbería", "en": "Barbershop", "pt": "Barbearia"}
    for category in ("barbershop", "Barbería", "BARBEARIA", "barberia"):
        assert await names(street, f"category={category}") == ["Barbería Ñandú"]
    [found] = (await street.got("GET", "?category=barbershop"))["items"]
    assert (found["category"], found["category_names"]) == ("barberia", one["names"])
    await street.a_shop(name="Rara", category="Sastrería Fina")
    [rare] = (await street.got("GET", "?category=sastreria fina"))["items"]
    assert (rare["name"], rare["category_names"]) == ("Rara", None)


async def test_a_least_rating_leaves_out_who_has_less_or_none(street: Street) -> None:
    for name, stars in (("Cinco", 5), ("Tres", 3), ("Nadie", None)):
        shop = await street.a_shop(name=name)
        if stars is not None:
            street.turnos.visited[street.beto, UUID(shop[1:])] = 1
            await street.got("PUT", f"{shop}/rating", {"stars": stars}, by=street.beto)
    assert await names(street, "min_rating=4") == ["Cinco"]
    assert await names(street, "min_rating=1&sort=rating") == ["Cinco", "Tres"]
    assert await names(street, "sort=rating") == ["Cinco", "Nadie", "Tres"]
    for wrong in ("min_rating=0", "min_rating=6", "min_rating=x"):
        await street.refused("GET", f"?{wrong}", status=422, code="validation_failed")


async def test_open_now_and_free_on_are_asked_of_turnos_for_fifty_at_once(street: Street) -> None:
    shops = [UUID((await street.a_shop(name=f"Local {number:03}"))[1:]) for number in range(120)]
    street.turnos.open |= set(shops[::40])
    whole = await names(street, "open_now=true")
    assert whole == ["Local 000", "Local 040", "Local 080"]
    assert street.turnos.sought == [50, 50, 20]
    assert await pages(street, "open_now=true", limit=1) == whole
    street.turnos.free[date(2030, 6, 14)] = {shops[40], shops[41]}
    assert await names(street, "free_on=2030-06-14") == ["Local 040", "Local 041"]
    assert await names(street, "free_on=2030-06-14&open_now=true") == ["Local 040"]
    assert await names(street, "free_on=2030-06-15") == []
    for wrong in ("free_on=tomorrow", "free_on=2030-02-30", "open_now=x"):
        await street.refused("GET", f"?{wrong}", status=422, code="validation_failed")
    bring_back = street.take_away(GetOpenNow)
    await street.refused("GET", "?open_now=true", status=503, code="service_unavailable")
    bring_back()


async def test_a_page_ends_early_where_few_are_open_and_the_next_goes_on(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_LOOKED_AT", 4)
    monkeypatch.setattr(finding, "ASKED_AT_ONCE", 2)
    shops = [UUID((await street.a_shop(name=f"Local {number}"))[1:]) for number in range(9)]
    street.turnos.open |= {shops[5], shops[8]}
    first = await street.got("GET", "?open_now=true")
    assert first["items"] == []
    assert first["next_cursor"] is not None
    assert await pages(street, "open_now=true", limit=5) == ["Local 5", "Local 8"]


async def pages(street: Street, query: str, *, limit: int) -> list[str]:
    """The names of all pages in turn."""
    cursor, seen = "", list[str]()
    while True:
        page = await street.got("GET", f"?{query}&limit={limit}{cursor}")
        seen += [one["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            return seen
        cursor = f"&cursor={page['next_cursor']}"


async def test_who_asks_for_the_nearest_gets_the_nearest_however_far(street: Street) -> None:
    for name, lat in (("Lejos", -54.8), ("Cerca", -34.61), ("Medio", -34.9), ("Otro país", 40.4)):
        await street.a_shop(name=name, location={"lat": lat, "lon": -58.38})
    near = "near=-34.6,-58.38"
    assert await names(street, near) == ["Cerca", "Medio", "Lejos", "Otro país"]
    assert await pages(street, near, limit=1) == ["Cerca", "Medio", "Lejos", "Otro país"]


async def test_what_is_nothing_like_it_is_not_found(street: Street) -> None:
    await a_street(street)
    for words in ("zapatos", "100%25", "_____", "%5C"):
        assert await names(street, f"q={words}") == []


async def test_near_says_how_far_and_a_radius_leaves_out(street: Street) -> None:
    await a_street(street)
    near = f"near={OBELISK[0]},{OBELISK[1]}"
    items = (await street.got("GET", f"?{near}&radius_km=30"))["items"]
    assert [one["name"] for one in items] == ["Barbería Ñandú", "Peluquería Canina Zoe", "Gimnasio Fénix"]
    assert items[0]["distance_m"] == pytest.approx(150, abs=30)
    assert items[2]["distance_m"] == pytest.approx(16_268, abs=100)
    assert await names(street, f"{near}&radius_km=1") == ["Barbería Ñandú"]
    assert (await names(street, f"{near}&q=taller&sort=distance")) == ["Taller El Rápido"]


@pytest.mark.parametrize(
    "query",
    ["near=1", "near=a,b", "near=91,0", "near=0,181", "near=1,2,3", "radius_km=0", "sort=x", "near=nan,nan"],
)
async def test_a_bad_place_is_refused(street: Street, query: str) -> None:
    await street.refused("GET", f"?{query}", status=422, code="validation_failed")


@pytest.mark.parametrize("query", ["", "q=salon", "sort=newest", "sort=rating", "near=-34.6,-58.4"])
async def test_pages_show_everything_once(street: Street, query: str) -> None:
    for number in range(7):
        await street.a_shop(name=f"Salón {number}", location={"lat": -34.6 + number / 100, "lon": -58.4})
    whole = await names(street, query)
    seen = await pages(street, query, limit=2)
    assert seen == whole
    assert len(set(seen)) == 7
