"""Who may use a file, and how long one stays that nothing uses."""

import asyncio
from uuid import UUID

import pytest

from tests.files.drawer import Drawer
from tests.stage import until
from turnosya.contracts.files import ClaimFiles, FileNotUsable, GetFiles, GetHeld
from turnosya.contracts.users import PersonErased
from turnosya.runtime.ids import new_id
from turnosya.services.files import store

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA, BETO = UUID(int=1), UUID(int=2)


async def test_the_facts_of_a_file_are_answered_in_the_order_in_which_they_were_asked(drawer: Drawer) -> None:
    first, second = await drawer.a_file(ANA), await drawer.a_file(BETO, purpose="verification_document")
    asked = GetFiles(ids=[second.id, new_id(), first.id])
    found = (await drawer.stage.bus.call(asked)).files
    assert [(one.id, one.visibility, one.owner_id) for one in found] == [
        (second.id, "private", BETO),
        (first.id, "public", ANA),
    ]
    assert found[1].url == f"/v1/files/{first.id}"
    assert found[1].variants.thumb == f"/v1/files/{first.id}/thumb"


async def test_only_its_owner_may_use_a_file_and_only_for_what_it_was_uploaded(drawer: Drawer) -> None:
    shop, other = new_id(), new_id()
    file = await drawer.a_file(ANA, purpose="business_image", business_id=shop)
    good = ClaimFiles(ids=[file.id], owner_id=ANA, purpose="business_image", business_id=shop)
    assert [one.id for one in (await drawer.stage.bus.call(good)).files] == [file.id]
    for wrong in (
        {"owner_id": BETO},
        {"purpose": "user_photo"},
        {"business_id": other},
        {"ids": [file.id, new_id()]},
    ):
        with pytest.raises(FileNotUsable):
            await drawer.stage.bus.call(good.model_copy(update=wrong))


async def test_a_file_uploaded_for_no_business_belongs_to_the_first_that_uses_it(drawer: Drawer) -> None:
    file = await drawer.a_file(ANA, purpose="business_image")
    shop = new_id()
    asked = ClaimFiles(ids=[file.id], owner_id=ANA, purpose="business_image", business_id=shop)
    await drawer.stage.bus.call(asked)
    await drawer.stage.bus.call(asked)
    with pytest.raises(FileNotUsable):
        await drawer.stage.bus.call(asked.model_copy(update={"business_id": new_id()}))


async def test_what_nothing_uses_goes_after_a_day_and_what_is_used_stays(drawer: Drawer) -> None:
    used, unused = await drawer.a_file(ANA), await drawer.a_file(ANA)
    await drawer.uses("users.photo:ana", used)
    assert await drawer.left_after(hours=23) == {used.id, unused.id}
    assert await drawer.left_after(hours=25) == {used.id}


async def test_what_is_used_no_longer_goes_when_the_last_has_let_go_of_it(drawer: Drawer) -> None:
    file = await drawer.a_file(ANA)
    await drawer.uses("business.gallery:a", file)
    await drawer.uses("business.portrait:a", file)
    await drawer.uses("business.gallery:a")
    assert await drawer.left_after(hours=100) == {file.id}
    await drawer.uses("business.portrait:a")
    assert await drawer.left_after(hours=0.1) == set()


async def test_what_is_claimed_stays_although_the_last_lets_go_of_it_meanwhile(drawer: Drawer) -> None:
    file = await drawer.a_file(ANA)
    await drawer.uses("users.photo:ana", file)
    await drawer.stage.bus.call(ClaimFiles(ids=[file.id], owner_id=ANA, purpose="user_photo"))
    assert await drawer.left_after(hours=48) == {file.id}
    await drawer.uses("users.photo:ana")
    assert await drawer.left_after(hours=0.5) == {file.id}
    assert await drawer.left_after(hours=1.1) == set()


async def test_the_same_event_twice_changes_nothing_and_unknown_files_are_left_out(drawer: Drawer) -> None:
    file, gone = await drawer.a_file(ANA), await drawer.a_file(ANA)
    async with drawer.files.db.transaction() as tx:
        await store.remove(tx, [gone.id])
    for _ in range(2):
        await drawer.uses("business.gallery:a", file, gone)
    assert await drawer.left_after(hours=100) == {file.id}


async def test_places_that_change_the_same_files_at_once_do_not_wait_for_each_other(drawer: Drawer) -> None:
    files = [await drawer.a_file(ANA) for _ in range(6)]
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(drawer.uses(f"business.gallery:{n}", *(files if n % 2 else files[::-1])) for n in range(12))
        )
        await asyncio.gather(*(drawer.uses(f"business.gallery:{n}") for n in range(12)))
    assert await drawer.left_after(hours=0.1) == set()


async def test_the_same_bytes_are_one_content_that_goes_with_the_last_file(drawer: Drawer) -> None:
    first = await drawer.a_file(ANA, source=bytes(32))
    second = await drawer.a_file(BETO, source=bytes(32))
    assert first.content.id == second.content.id
    async with drawer.files.db.transaction() as tx:
        await store.remove(tx, [first.id])
        assert await store.drop_contents(tx, limit=10) == []
        await store.remove(tx, [second.id])
        assert await store.drop_contents(tx, limit=10) == [first.content.id]


async def test_what_an_erased_person_uploaded_was_shown_to_them_and_is_gone(drawer: Drawer) -> None:
    mine, other = await drawer.a_file(ANA), await drawer.a_file(BETO)
    await drawer.uses("users.photo:ana", mine)
    held = (await drawer.stage.bus.call(GetHeld(user_id=ANA))).records["files"]
    assert [one["id"] for one in held] == [str(mine.id)]
    await drawer.stage.tell(PersonErased(user_id=ANA, key="k"))
    asked = GetFiles(ids=[mine.id, other.id])
    await until(lambda: drawer.stage.bus.call(asked), lambda found: len(found.files) == 1)
    assert await drawer.left_after(hours=0) == {other.id}
