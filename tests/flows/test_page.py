"""The page of a business as people see it: in a real Chromium, without JavaScript, on a phone and on a desk.

Screenshots are kept in ``build/pages``.
"""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.chat.javascript import NODE
from tests.flows.world import World

LOOK = Path(__file__).parents[1] / "js" / "look.mjs"
KEPT = Path(__file__).parents[2] / "build" / "pages"
_WITHIN_S = 90.0


async def looked_at(url: str, name: str) -> dict[str, Any]:
    """What a browser sees there, and what axe-core has against it."""
    await asyncio.to_thread(KEPT.mkdir, parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(LOOK), url, str(KEPT), name), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_WITHIN_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    seen: dict[str, Any] = json.loads(said)
    return seen


async def test_the_page_of_a_business_is_good_to_read_and_shows_the_next_times(world: World) -> None:
    services = ({"name": "Corte", "duration_minutes": 30, "price": {"amount": 1500000, "currency": "ARS"}},)
    shop = await world.a_business("La Navaja", services=services)
    said = {
        "description": "Cortes de siempre, con turno.",
        "category": "barbershop",
        "phone": "+541143211234",
        "address": {"street": "Corrientes 1234", "city": "Buenos Aires", "country": "AR"},
        "accepted_payments": ["cash", "mercado_pago"],
    }
    changed = await shop.owner.ask("PATCH", f"/v1/businesses/{shop.id}", said)
    slug = changed.promised(200).answer["slug"]
    opening = (await world.api.ask("GET", f"/v1/businesses/{shop.id}/opening?times=3")).promised(200).answer
    times = opening["next_times"][0]["starts_at"]
    today = datetime.now(ZoneInfo(shop.timezone)).date()
    span = f"from={today}&to={today + timedelta(days=3)}&service_id={shop.service.id}"
    path = f"/v1/turnos/businesses/{shop.id}/slots?{span}"
    slots = (await world.api.ask("GET", path)).promised(200).answer["slots"]
    assert times == [slot["starts_at"] for slot in slots[:3]]
    seen = await looked_at(f"{world.system.url}/b/{slug}", "business")
    assert seen["errors"] == []
    # All that the page needs is in it, but for the sign of its tab.
    icon = f"{world.system.url}/docs/favicon-32x32.png"
    assert set(seen["requests"]) - {icon} == {f"{world.system.url}/b/{slug}"}
    for size in ("phone", "desk"):
        page = seen["pages"][size]
        assert (page["status"], page["heading"]) == (200, "La Navaja")
        assert page["violations"] == []
        assert page["passes"] > 15
        assert page["overflow"] <= 0
    gone = await looked_at(f"{world.system.url}/b/nadie", "nobody")
    assert [page["status"] for page in gone["pages"].values()] == [404, 404]
