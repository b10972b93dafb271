"""A business is verified by papers that nobody else reads, through the gateway, in every form."""

from tests.files.desk import drawn
from tests.flows.test_files import status_of, uploaded
from tests.flows.world import World
from tests.stage import until


async def test_an_owner_hands_papers_in_and_is_told_what_an_admin_says(world: World) -> None:
    shop, stranger, admin = await world.a_business("Papeles"), await world.a_client(), await world.an_admin()
    path = f"/v1/businesses/{shop.id}/verification"
    fields = {"purpose": "verification_document", "business_id": str(shop.id)}
    paper = await uploaded(world, shop.owner, drawn("PNG"), **fields)
    theirs = await uploaded(world, stranger, drawn("PNG"), purpose="verification_document")
    (await shop.owner.ask("POST", path, {"file_ids": [theirs["id"]]})).promised(422, "file_not_usable")
    (await stranger.ask("POST", path, {"file_ids": [theirs["id"]]})).promised(403, "forbidden")
    asked = (await shop.owner.ask("POST", path, {"file_ids": [paper["id"]]})).promised(201).answer
    assert asked["status"] == "pending"
    (await stranger.ask("GET", path)).promised(404)
    (await stranger.ask("POST", f"{path}/approve")).promised(403, "forbidden")
    waiting = (await admin.ask("GET", "/v1/businesses/verifications?limit=100")).promised(200).answer
    assert str(shop.id) in [one["business_id"] for one in waiting["items"]]
    [seen] = (await admin.ask("GET", path)).promised(200).answer["files"]
    # The link is for whoever has it; the bare address for its owner and admins.
    assert await status_of(world, seen["url"]) == 200
    bare = f"/v1/files/{paper['id']}"
    assert [await status_of(world, bare, one) for one in (shop.owner, admin, stranger)] == [200, 200, 404]
    (await admin.ask("POST", f"{path}/approve")).promised(200)
    assert (await world.api.ask("GET", f"/v1/businesses/{shop.id}")).promised(200).answer["verified"] is True

    async def told() -> set[str]:
        return {one.template for one in await world.api.messages(str(shop.owner.id))}

    wanted = {"verification_requested", "verification_approved"}
    assert await until(told, wanted.issubset) >= wanted
    (await admin.ask("POST", f"{path}/revoke", {"reason": "Vencidos"})).promised(200)

    async def drop() -> int:
        return (await shop.owner.ask("DELETE", bare)).status

    assert await until(drop, lambda status: status == 204) == 204
