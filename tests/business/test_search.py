"""The search: accents and typing errors do not matter, distance and rating order, pages do not repeat."""

import pytest

from tests.business.street import Street

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
        await street.a_shop(name=name, category=category, location={"lat": lat, "lon": -58.38})


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
    ],
)
async def test_words_are_found_with_typos_and_without_accents(street: Street, words: str, found: str) -> None:
    await a_street(street)
    assert (await names(street, f"q={words}"))[:1] == [found]


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
    cursor, seen = "", list[str]()
    while True:
        page = await street.got("GET", f"?{query}&limit=2{cursor}")
        seen += [one["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == whole
    assert len(set(seen)) == 7
