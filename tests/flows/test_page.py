"""Pages as people see them, in a real Chromium: a business without JavaScript, and a talk in two windows.

Screenshots are kept in ``build/pages``.
"""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.chat.javascript import NODE
from tests.files.desk import drawn
from tests.flows.test_files import uploaded
from tests.flows.world import World
from turnosya.tour.people import Shop

SCRIPTS = Path(__file__).parents[1] / "js"
KEPT = Path(__file__).parents[2] / "build" / "pages"
_WITHIN_S = 90.0


async def browsed(script: str, *told: str) -> dict[str, Any]:
    """What a browser sees, and what axe-core has against it."""
    await asyncio.to_thread(KEPT.mkdir, parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(SCRIPTS / script), str(KEPT), *told), stdout=asyncio.subprocess.PIPE
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


async def pictures_of(world: World, shop: Shop) -> set[str]:
    """Gives it one of each, once with a caption; what a browser loads of them."""
    path = f"/v1/businesses/{shop.id}"
    loaded = set[str]()
    for place, size, variants in (
        ("portrait-image", (1600, 500), ("medium",)),
        ("profile-image", (300, 300), ("thumb",)),
        ("gallery", (640, 480), ("thumb",)),
    ):
        fields = {"purpose": "business_image", "business_id": str(shop.id)}
        file = await uploaded(world, shop.owner, drawn("PNG", size), **fields)
        method, status = ("POST", 201) if place == "gallery" else ("PUT", 200)
        body = {"file_id": file["id"]} | ({"caption": "El frente"} if place == "gallery" else {})
        answer = await shop.owner.ask(method, f"{path}/{place}", body)
        assert answer.promised(status).answer["variants"] == file["variants"]
        loaded |= {f"{world.system.url}{file['variants'][one]}" for one in variants}
    return loaded


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
    shown = await pictures_of(world, shop)
    there, nowhere = f"{world.system.url}/b/{slug}", f"{world.system.url}/b/nadie"
    looked_at = await browsed("look.mjs", "business", there, "nobody", nowhere)
    seen = looked_at["business"]
    assert seen["errors"] == []
    # All that the page needs is in it, but for its pictures and the sign of its tab.
    icon = f"{world.system.url}/docs/favicon-32x32.png"
    assert set(seen["requests"]) - {icon} == {there, *shown}
    for size in ("phone", "desk"):
        page = seen["pages"][size]
        assert (page["status"], page["heading"]) == (200, "La Navaja")
        assert page["violations"] == []
        assert page["passes"] > 15
        assert page["overflow"] <= 0
        assert page["pictures"] == [True, True, True]
    assert [page["status"] for page in looked_at["nobody"]["pages"].values()] == [404, 404]


async def test_two_windows_talk_on_the_page_for_development(world: World) -> None:
    shop, client = await world.a_business("Barbería del Puente"), await world.a_client()
    settings = f"/v1/chat/businesses/{shop.id}/settings"
    (await shop.owner.ask("PUT", settings, {"quick_replies": ["A las 18"]})).promised(200)
    told = {
        "business": shop.name,
        **{
            name: {"phone": person.phone, "password": person.password}
            for name, person in (("client", client), ("owner", shop.owner))
        },
    }
    seen = await browsed("two_windows.mjs", f"{world.system.url}/dev/chat", json.dumps(told))
    assert seen["errors"] == []
    assert seen["violations"] == []
    said = ["¿Tenés lugar hoy? <b>gracias</b>", "A las 18"]
    assert (seen["client"], seen["owner"], seen["unread"]) == (said, said, "1")
    assert seen["overflow"] <= 0
    assert seen["passes"] > 15
