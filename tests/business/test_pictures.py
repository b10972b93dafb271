"""Pictures of a business: who may show what, where it is seen, and that files always knows of it."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from tests.business.album import a_file, a_street_with_files, are_used, files_of
from tests.business.street import ADMIN, BASE, ZONE, Street
from tests.business.test_page import linked_data
from tests.servers import Servers
from tests.stage import until
from turnosya.contracts.files import FileUsed, GetFiles, Purpose
from turnosya.contracts.users import PersonErased
from turnosya.runtime.ids import new_id
from turnosya.services.business import erasure as business_erasure
from turnosya.services.files import erasure as files_erasure

pytestmark = pytest.mark.asyncio(loop_scope="module")
SINGLES = ("profile-image", "portrait-image")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_street(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Street]:
    async with a_street_with_files(servers, tmp_path_factory.mktemp("album")) as street:
        yield street


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def no_uses(street: Street) -> None:
    """Of businesses of the tests before."""
    async with files_of(street).db.transaction() as tx:
        await tx.execute(text("DELETE FROM files"))


async def put(street: Street, path: str, file_id: str) -> Any:  # noqa: ANN401 - any JSON
    return await street.got("PUT", path, {"file_id": file_id}, by=street.ana)


async def gallery(street: Street, shop: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await street.got("GET", f"{shop}/gallery?limit=100"))["items"]
    return found


async def add(street: Street, shop: str, **fields: object) -> Any:  # noqa: ANN401 - any JSON
    body = {"file_id": await a_file(street, street.ana), **fields}
    return await street.got("POST", f"{shop}/gallery", body, by=street.ana, status=201)


async def test_the_owner_shows_a_picture_and_another_and_none(street: Street) -> None:
    shop = await street.a_shop()
    first, second = [await a_file(street, street.ana, business_id=shop[1:]) for _ in range(2)]
    for path, name in zip(SINGLES, ("profile_image", "portrait_image"), strict=True):
        assert (await street.got("GET", shop))[name] is None
        shown = await put(street, f"{shop}/{path}", first)
        assert shown == {
            "id": shown["id"],
            "created_at": shown["created_at"],
            "file_id": first,
            "url": f"/v1/files/{first}",
            "width": 2048,
            "height": 1000,
            "variants": {"thumb": f"/v1/files/{first}/thumb", "medium": f"/v1/files/{first}/medium"},
        }
        assert await put(street, f"{shop}/{path}", first) == shown
        assert (await street.got("GET", shop))[name] == shown
    await are_used(street, first, first)
    another = await put(street, f"{shop}/profile-image", second)
    [found] = (await street.got("GET", "?q=nandu"))["items"]
    [own] = (await street.got("GET", "/mine", by=street.ana))["items"]
    assert found["profile_image"] == own["profile_image"] == another
    changed = await street.got("PATCH", shop, {"description": "Otra"}, by=street.ana)
    assert changed["profile_image"] == another
    await are_used(street, first, second)
    for path in SINGLES * 2:
        await street.got("DELETE", f"{shop}/{path}", by=street.ana, status=204)
    assert (await street.got("GET", shop))["portrait_image"] is None
    await are_used(street)


@pytest.mark.parametrize("place", ["profile-image", "portrait-image", "gallery"])
async def test_only_an_image_of_the_owners_for_this_business_can_be_shown(street: Street, place: str) -> None:
    shop, other = await street.a_shop(), await street.a_shop(name="Otra")
    method, path = "POST" if place == "gallery" else "PUT", f"{shop}/{place}"
    purposes: list[Purpose] = ["user_photo", "chat_attachment", "verification_document"]
    for file_id in (
        str(new_id()),
        await a_file(street, street.beto),
        await a_file(street, street.ana, business_id=other[1:]),
        *[await a_file(street, street.ana, purpose) for purpose in purposes],
    ):
        body = {"file_id": file_id}
        await street.refused(method, path, body, by=street.ana, status=422, code="file_not_usable")
    known = {"file_id": str(new_id())}
    bad: list[dict[str, object]] = [{}, {"file_id": "x"}, {"file_id": None}, {**known, "x": 1}]
    for wrong in bad:
        await street.refused(method, path, wrong, by=street.ana, status=422, code="validation_failed")
    await are_used(street)


async def test_staff_strangers_and_nobody_change_no_picture(street: Street) -> None:
    shop = await street.a_shop()
    await street.a_member(shop, user_id=str(street.beto))
    one = await add(street, shop)
    theirs = {"file_id": await a_file(street, street.beto)}
    calls: list[tuple[str, str, object]] = [
        *[("PUT", f"/{path}", theirs) for path in SINGLES],
        *[("DELETE", f"/{path}", None) for path in SINGLES],
        ("POST", "/gallery", theirs),
        ("PUT", "/gallery", {"order": [one["id"]]}),
        ("PATCH", f"/gallery/{one['id']}", {"caption": "x"}),
        ("DELETE", f"/gallery/{one['id']}", None),
    ]
    for method, path, body in calls:
        for by in (street.beto, new_id(), ADMIN):
            await street.refused(method, shop + path, body, by=by, status=403, code="forbidden")
        await street.refused(method, shop + path, body, status=401, code="token_missing")
        await street.refused(method, f"/{new_id()}{path}", body, by=street.ana, status=404, code="not_found")
    await street.got("POST", f"{shop}/suspension", {"reason": "x"}, by=ADMIN)
    for method, path, body in calls:
        await street.refused(method, shop + path, body, by=street.beto, status=404, code="not_found")
    await street.refused("GET", f"{shop}/gallery", status=404, code="not_found")
    assert (await street.got("GET", f"{shop}/gallery", by=street.ana))["items"] == [one]
    await put(street, f"{shop}/profile-image", one["file_id"])


async def test_a_gallery_has_captions_an_order_and_pages(street: Street) -> None:
    shop = await street.a_shop()
    a, b, c = [await add(street, shop, caption=caption) for caption in ("El frente", None, "El patio")]
    assert [one["caption"] for one in await gallery(street, shop)] == ["El frente", None, "El patio"]
    order = {"order": [c["id"], a["id"], b["id"]]}
    assert (await street.got("PUT", f"{shop}/gallery", order, by=street.ana))["items"] == [c, a, b]
    page = await street.got("GET", f"{shop}/gallery?limit=2")
    rest = await street.got("GET", f"{shop}/gallery?limit=2&cursor={page['next_cursor']}")
    assert ([*page["items"], *rest["items"]], rest["next_cursor"]) == ([c, a, b], None)
    d = await add(street, shop)
    assert [one["id"] for one in await gallery(street, shop)] == [one["id"] for one in (c, a, b, d)]
    path = f"{shop}/gallery/{a['id']}"
    assert (await street.got("PATCH", path, {"caption": "Adentro"}, by=street.ana))["caption"] == "Adentro"
    assert (await street.got("PATCH", path, {"caption": None}, by=street.ana))["caption"] is None
    await street.got("DELETE", path, by=street.ana, status=204)
    await street.refused("DELETE", path, by=street.ana, status=404, code="not_found")
    await street.refused("PATCH", path, {"caption": "x"}, by=street.ana, status=404, code="not_found")
    await are_used(street, *[one["file_id"] for one in (b, c, d)])
    wrong: list[list[Any]] = [
        [b["id"], c["id"]],
        [b["id"], b["id"], c["id"]],
        [b["id"], c["id"], a["id"]],
        [],
        ["x"],
    ]
    for ids in wrong:
        answer = await street.ask("PUT", f"{shop}/gallery", {"order": ids}, by=street.ana)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), ids
    for cursor in ("x", "WyJ4IiwieCJd", "WyItMSIsICJ4Il0"):
        await street.refused("GET", f"{shop}/gallery?cursor={cursor}", status=422, code="validation_failed")
    too_long = {"caption": "x" * 201}
    path = f"{shop}/gallery/{b['id']}"
    await street.refused("PATCH", path, too_long, by=street.ana, status=422, code="validation_failed")


async def test_a_repeated_addition_is_answered_again_even_when_its_file_is_gone(street: Street) -> None:
    shop = await street.a_shop()
    body = {"file_id": await a_file(street, street.ana), "caption": "El frente"}
    first = await street.ask("POST", f"{shop}/gallery", body, by=street.ana, key="k1")
    assert first.status_code == 201
    await street.refused("POST", f"{shop}/gallery", body, by=street.ana, status=409, code="conflict")
    await street.got("DELETE", f"{shop}/gallery/{first.json()['id']}", by=street.ana, status=204)
    await are_used(street)
    async with files_of(street).db.transaction() as tx:
        await tx.execute(text("DELETE FROM files"))
    again = await street.ask("POST", f"{shop}/gallery", body, by=street.ana, key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert await gallery(street, shop) == []


async def test_thirty_pictures_and_not_one_more_whoever_is_first(street: Street) -> None:
    shop = await street.a_shop()
    for _ in range(28):
        await add(street, shop)
    late = [await a_file(street, street.ana) for _ in range(5)]
    answers = await asyncio.gather(
        *(street.ask("POST", f"{shop}/gallery", {"file_id": one}, by=street.ana) for one in late)
    )
    assert Counter(one.status_code for one in answers) == {201: 2, 409: 3}
    found = await gallery(street, shop)
    assert len(found) == 30
    await are_used(street, *[one["file_id"] for one in found])


async def test_changes_at_once_leave_files_with_just_what_is_shown(street: Street) -> None:
    shop = await street.a_shop()
    ids = [await a_file(street, street.ana) for _ in range(3)]
    headers = street.callers.headers(street.ana)
    async with street.another_copy() as other:
        copies = (street.http, other)

        async def call(number: int) -> int:
            client, path = copies[number % 2], f"{BASE}{shop}/{SINGLES[number % 3 == 0]}"
            if number % 5 == 4:
                return (await client.delete(path, headers=headers)).status_code
            body = {"file_id": ids[number % 3]}
            return (await client.put(path, json=body, headers=headers)).status_code

        async def added(number: int) -> int:
            body = {"file_id": ids[0]}
            answer = await copies[number % 2].post(f"{BASE}{shop}/gallery", json=body, headers=headers)
            return answer.status_code

        changed = await asyncio.gather(*(call(number) for number in range(30)))
        assert set(changed) == {200, 204}
        in_gallery = await asyncio.gather(*(added(number) for number in range(6)))
        assert Counter(in_gallery) == {201: 1, 409: 5}
        [one] = await gallery(street, shop)
        path = f"{BASE}{shop}/gallery/{one['id']}"
        gone = await asyncio.gather(*(client.delete(path, headers=headers) for client in copies))
        assert sorted(answer.status_code for answer in gone) == [204, 404]
    shown = await street.got("GET", shop)
    images = (shown["profile_image"], shown["portrait_image"])
    await are_used(street, *[image["file_id"] for image in images if image is not None])


@pytest.mark.parametrize("how", ["deleted", "erased"])
async def test_a_business_that_goes_releases_all_even_what_is_added_meanwhile(
    street: Street, how: str
) -> None:
    shop = await street.a_shop()
    kept = await street.a_shop(name="Otra")
    for path in SINGLES:
        await put(street, f"{shop}/{path}", await a_file(street, street.ana))
    both = await add(street, shop)
    if how == "deleted":
        await street.got("POST", f"{kept}/gallery", {"file_id": both["file_id"]}, by=street.ana, status=201)
    late = [await a_file(street, street.ana) for _ in range(4)]

    async def go() -> None:
        if how == "deleted":
            await street.got("DELETE", shop, by=street.ana, status=204)
        else:
            erased = PersonErased(user_id=street.ana, key="k")
            await asyncio.gather(
                business_erasure.forget(street.business, erased),
                files_erasure.forget(files_of(street), erased),
            )

    async def add_late(file_id: str) -> int:
        answer = await street.ask("POST", f"{shop}/gallery", {"file_id": file_id}, by=street.ana)
        return answer.status_code

    *statuses, _ = await asyncio.gather(*(add_late(one) for one in late), go())
    # Whom the erasure has met between the look at the file and the shop finds no file.
    assert set(statuses) <= {201, 404, 422}
    await are_used(street, *([both["file_id"]] if how == "deleted" else []))

    async def left() -> int:
        async with street.business.db.read() as tx:
            found = await tx.execute(
                text("SELECT count(*) FROM pictures WHERE business_id = :id"), {"id": UUID(shop[1:])}
            )
            return int(found.scalar_one())

    assert await until(left, lambda count: count == 0) == 0


async def test_a_picture_whose_file_is_gone_is_taken_off(street: Street) -> None:
    shop = await street.a_shop()
    one, two = await add(street, shop), await add(street, shop)
    await are_used(street, one["file_id"], two["file_id"])
    async with files_of(street).db.transaction() as tx:
        await tx.execute(text("DELETE FROM files WHERE id = :id"), {"id": UUID(one["file_id"])})
    # As if the owner had deleted it before files heard of its use.
    await street.stage.tell(FileUsed(file_id=UUID(one["file_id"]), by=f"business.picture/{one['id']}"))

    async def look() -> list[dict[str, Any]]:
        return await gallery(street, shop)

    assert await until(look, lambda found: len(found) < 2) == [two]


async def test_without_files_nothing_new_is_shown_and_all_the_rest_is(street: Street) -> None:
    shop = await street.a_shop()
    image, file_id = await a_file(street, street.ana), await a_file(street, street.ana)
    await put(street, f"{shop}/profile-image", image)
    bring_back = street.take_away(GetFiles)
    body = {"file_id": file_id}
    path = f"{shop}/profile-image"
    await street.refused("PUT", path, body, by=street.ana, status=503, code="service_unavailable")
    assert (await street.got("GET", shop))["profile_image"]["file_id"] == image
    await street.got("DELETE", path, by=street.ana, status=204)
    bring_back()
    await put(street, path, file_id)


async def test_the_page_shows_them_to_people_messengers_and_search_engines(street: Street) -> None:
    shop = await street.a_shop(timezone=ZONE)
    slug = (await street.got("GET", shop))["slug"]
    bare = await street.http.get(f"/b/{slug}")
    assert "<img" not in bare.text
    assert "og:image" not in bare.text
    profile, portrait = [await a_file(street, street.ana) for _ in SINGLES]
    await put(street, f"{shop}/profile-image", profile)
    await put(street, f"{shop}/portrait-image", portrait)
    hung = await add(street, shop, caption='"El <patio>"')
    answer = await street.http.get(f"/b/{slug}")
    tags = re.findall(r'<meta property="og:image" content="([^"]*)">', answer.text)
    public = street.business.public_url
    assert tags == [f"{public}/v1/files/{one}/medium" for one in (portrait, profile, hung["file_id"])]
    assert '<meta property="og:image:width" content="1024">' in answer.text
    assert '<meta property="og:image:height" content="500">' in answer.text
    assert '<meta name="twitter:card" content="summary_large_image">' in answer.text
    data = linked_data(answer)
    assert data["image"] == [f"{public}/v1/files/{one}" for one in (portrait, profile, hung["file_id"])]
    assert data["logo"] == f"{public}/v1/files/{profile}"
    for one in (f"{profile}/thumb", f"{portrait}/medium", f"{hung['file_id']}/thumb"):
        assert f'src="/v1/files/{one}"' in answer.text
    assert "<patio>" not in answer.text
    assert "img-src 'self'" in answer.headers["content-security-policy"]
