"""HEAD is answered wherever GET is, with its fields and without a body, through the gateway in every form."""

import asyncio

import httpx

from tests.flows import wrong
from tests.flows.world import World

AT_ONCE = 8
# An answer that goes on for ever: as a GET it would.
STREAM = "/v1/checks/logs/stream"


async def test_head_is_answered_as_get_is_without_a_body(world: World) -> None:
    shop, admin = await world.a_business(), await world.an_admin()
    turno = await world.a_booked_turno(shop, await world.a_client())
    ids = {
        "business_id": str(shop.id),
        "service_id": str(shop.service.id),
        "staff_id": str(shop.staff_id),
        "appointment_id": str(turno.id),
        "user_id": str(shop.owner.id),
        "slug": "nadie",
        "purpose": "accept",
    }
    document = (await world.api.ask("GET", "/openapi.json")).promised(200).answer
    paths = [wrong.filled(path, ids) for method, path, _ in wrong.operations(document) if method == "GET"]
    limit = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with httpx.AsyncClient(base_url=world.system.url, headers=headers, timeout=20) as http:

        async def tried(path: str) -> str | None:
            async with limit:
                head = await http.head(path)
                status = 200 if path == STREAM else (await http.get(path)).status_code
            as_it_should = (head.status_code, head.content) == (status, b"")
            return None if as_it_should else f"{path}: {head.status_code} {len(head.content)}, GET {status}"

        found = await asyncio.gather(*map(tried, paths))
    assert len(paths) > 60
    assert [one for one in found if one] == []
