"""The page of development in a real Chromium: each message as its reader would see it, as it comes.

Screenshots are kept in ``build/pages``.
"""

import asyncio
import json
from typing import Any
from uuid import uuid4

from tests.chat.javascript import NODE
from tests.flows.test_page import KEPT, SCRIPTS
from tests.flows.world import World

WATCH = SCRIPTS / "dev.mjs"
NAME = "<img src=x onerror=alert(1)> {{ 7 * 7 }}"
_WITHIN_S = 120.0


async def test_messages_come_live_as_a_bubble_a_card_and_a_letter(world: World) -> None:
    shop, client = await world.a_business(NAME), await world.a_client()
    await world.system.until_settled()
    await asyncio.to_thread(KEPT.mkdir, parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(WATCH), str(KEPT), f"{world.system.url}/dev?to={client.id}", "whatsapp,push,email"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_WITHIN_S):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            email = f"{uuid4().hex}@mail.com"
            (await client.ask("PATCH", "/v1/users/me", {"email": email})).promised(200)
            await client.ask("PUT", f"/v1/users/me/devices/{uuid4().hex}", {"platform": "fcm"})
            turno = await world.a_booked_turno(shop, client)
            await client.told("appointment_booked", turno)
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    seen: dict[str, Any] = json.loads(said)
    assert (seen["errors"], seen["dialogs"], seen["loadedOnce"], seen["live"]) == ([], 0, True, True)
    assert {url.split("?")[0].removeprefix(world.system.url) for url in seen["requests"]} == {
        "/dev",
        "/v1/dev/messages",
        "/v1/dev/clock",
    }
    articles: list[dict[str, Any]] = seen["articles"]
    assert not any(one["images"] for one in articles)

    [card] = [one for one in articles if one["channel"] == "push"]
    assert card["app"] == "TurnosYa · ahora"
    assert NAME in card["title"] + card["text"]
    assert card["width"] < 420

    [letter] = [one for one in articles if one["channel"] == "email"]
    assert letter["title"]
    assert email in letter["head"]
    [(label, link)] = letter["buttons"]
    assert (label, link.startswith(world.system.url)) == ("Abrir", True)

    bubbles = [one for one in articles if one["channel"] == "whatsapp"]
    assert all(one["tail"] and "✓✓" in one["ticks"] for one in bubbles)
    assert any(one["code"] and len(one["code"]) == 6 for one in bubbles)
    for size in seen["sizes"].values():
        assert size["violations"] == []
        assert size["passes"] > 10
        assert size["overflow"] <= 0
