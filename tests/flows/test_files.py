"""A photo and an attachment, through the gateway, in every form."""

from typing import Any
from uuid import uuid4

import httpx

from tests.files.desk import drawn
from tests.flows.world import World
from tests.stage import until
from turnosya.tour.people import Person

# A decoder that begins, on a machine that is busy.
_PATIENT_S = 60.0


async def uploaded(world: World, person: Person, content: bytes, **fields: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=world.system.url, timeout=_PATIENT_S) as http:
        answer = await http.post(
            "/v1/files",
            files={"file": ("foto.png", content, "image/png")},
            data=fields,
            headers={"Authorization": f"Bearer {person.token}"},
        )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status_of(world: World, path: str, person: Person | None = None) -> int:
    headers = {} if person is None else {"Authorization": f"Bearer {person.token}"}
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        return (await http.get(path, headers=headers)).status_code


async def test_a_person_shows_a_photo_and_takes_it_off(world: World) -> None:
    person, other = await world.a_client(), await world.a_client()
    file = await uploaded(world, person, drawn("PNG"), purpose="user_photo")
    theirs = await other.ask("PATCH", "/v1/users/me", {"photo_file_id": file["id"]})
    theirs.promised(422, "file_not_usable")
    shown = (await person.ask("PATCH", "/v1/users/me", {"photo_file_id": file["id"]})).promised(200).answer
    assert shown["photo"] == file["url"]
    assert (await other.ask("GET", f"/v1/users/{person.id}")).promised(200).answer["photo"] == file["url"]
    assert await status_of(world, shown["photo"]) == 200

    async def drop() -> int:
        return (await person.ask("DELETE", f"/v1/files/{file['id']}")).status

    assert await until(drop, lambda status: status == 409) == 409
    assert (await person.ask("PATCH", "/v1/users/me", {"photo_file_id": None})).promised(200).answer[
        "photo"
    ] is None
    assert await until(drop, lambda status: status == 204) == 204
    assert await status_of(world, file["url"]) == 404


async def test_an_attachment_is_read_by_both_sides_and_nobody_else(world: World) -> None:
    shop, client, stranger = await world.a_business(), await world.a_client(), await world.a_client()
    opened = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(shop.id)})
    path = f"/v1/chat/conversations/{opened.promised(201).answer['id']}/messages"
    file = await uploaded(world, client, drawn("PNG"), purpose="chat_attachment")

    def body(**more: object) -> dict[str, object]:
        return {"file_id": file["id"], "client_message_id": str(uuid4()), **more}

    (await shop.owner.ask("POST", path, body())).promised(422, "validation_failed")
    message = body(text="Así lo quiero")
    sent = (await client.ask("POST", path, message)).promised(201).answer
    assert sent["file"]["id"] == file["id"]
    assert (await client.ask("POST", path, message)).promised(200).answer == sent
    (await client.ask("POST", path, {**message, "file_id": None})).promised(409)
    [read] = (await shop.owner.ask("GET", path)).promised(200).answer["items"]
    address = read["file"]["url"]
    assert read["file"]["content_type"] == "image/png"

    async def owners() -> int:
        return await status_of(world, address, shop.owner)

    assert await until(owners, lambda status: status == 200) == 200
    assert await status_of(world, read["file"]["variants"]["thumb"], client) == 200
    assert [await status_of(world, address, one) for one in (stranger, None)] == [404, 404]
    # Nobody else's conversation takes it any more.
    other_shop = await world.a_business()
    other = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(other_shop.id)})
    elsewhere = f"/v1/chat/conversations/{other.promised(201).answer['id']}/messages"
    (await client.ask("POST", elsewhere, body())).promised(422, "validation_failed")


async def test_an_admin_deletes_a_photo_that_is_shown_and_it_is_shown_no_more(world: World) -> None:
    person, admin = await world.a_client(), await world.an_admin()
    file = await uploaded(world, person, drawn("PNG"), purpose="user_photo")
    (await person.ask("PATCH", "/v1/users/me", {"photo_file_id": file["id"]})).promised(200)
    (await admin.ask("DELETE", f"/v1/files/{file['id']}")).promised(204)
    assert await status_of(world, file["url"]) == 404

    async def photo() -> object:
        return (await person.ask("GET", "/v1/users/me")).promised(200).answer["photo"]

    assert await until(photo, lambda found: found is None) is None
