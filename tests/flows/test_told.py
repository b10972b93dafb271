"""What people answer on WhatsApp, and when owners hear of their day, through the gateway in every form."""

import json
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx

from tests.flows.systems import APP_SECRET
from tests.flows.world import World
from tests.notification.providers import a_status, a_webhook, signed
from tests.stage import until
from turnosya.tour.client import trusted
from turnosya.tour.people import Person

PATH = "/v1/notification/webhooks/whatsapp"
MOST_BYTES = 3 * 1024 * 1024


async def called(world: World, body: bytes, headers: dict[str, str] | None = None) -> int:
    """What the provider is answered, with its signature unless other headers are given."""
    headers = signed(body, APP_SECRET) if headers is None else headers
    async with httpx.AsyncClient(base_url=world.system.url, timeout=20, verify=trusted()) as http:
        return (await http.post(PATH, content=body, headers=headers)).status_code


async def says(world: World, person: Person, text: str, *, times: int = 1) -> None:
    """One message of somebody's, brought so many times."""
    word: dict[str, Any] = {
        "from": person.phone.lstrip("+"),
        "id": f"wamid.{uuid4()}",
        "timestamp": "1793000000",
        "type": "text",
        "text": {"body": text},
    }
    body = a_webhook(messages=[word])
    assert {await called(world, body) for _ in range(times)} == {200}


async def test_a_reminder_is_answered_and_who_says_baja_hears_no_more_until_they_say_alta(
    world: World,
) -> None:
    shop, client = await world.a_business(), await world.a_client()
    turno = await world.a_booked_turno(shop, client, place=-1)
    await world.system.until_settled()
    two_hours_before = {"now": (turno.starts_at - timedelta(hours=2)).isoformat()}
    (await world.api.ask("PUT", "/v1/dev/clock", two_hours_before)).promised(200)
    try:
        await client.told("appointment_reminder", turno)
        await says(world, client, "2", times=3)
        await client.told("appointment_cancelled", turno)
    finally:
        (await world.api.ask("DELETE", "/v1/dev/clock")).promised(204)
    assert (await client.turno(turno.id)).status == "cancelled"

    await says(world, client, "BAJA", times=3)
    await client.told("opted_out")
    silent = await world.a_booked_turno(shop, client, place=-1)
    await shop.owner.told("appointment_booked", silent)
    await world.system.until_settled()
    assert await world.told(client, silent) == []
    # A code comes all the same: they ask for it.
    await client.log_in("another phone")
    await says(world, client, "alta", times=3)
    await client.told("opted_in")
    (await client.cancel(silent)).promised(200)
    await client.told("appointment_cancelled", silent)

    found = await world.system.rows(
        "notification",
        "SELECT template, count(*) AS times FROM deliveries WHERE person = $1"
        " AND template IN ('opted_out', 'opted_in', 'answer_refused') GROUP BY template",
        str(client.id),
    )
    assert {row["template"]: row["times"] for row in found} == {"opted_out": 1, "opted_in": 1}


async def test_words_that_are_no_order_are_written_to_the_business(world: World) -> None:
    shop, client = await world.a_business(), await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    await client.told("appointment_booked", turno)
    text = f"¿Puedo llegar 10 minutos tarde? {{{{ 7 * 7 }}}} {uuid4()}"
    await says(world, client, text, times=3)
    written = partial(
        world.system.rows, "chat", "SELECT conversation_id::text FROM messages WHERE text = $1", text
    )
    await until(written, bool)
    await world.system.until_settled()
    [message] = await written()
    found = (await shop.owner.ask("GET", "/v1/chat/conversations")).promised(200).answer["items"]
    assert [one["id"] for one in found] == [message["conversation_id"]]


async def test_what_is_forged_is_not_there_and_what_is_strange_changes_nothing(world: World) -> None:
    client = await world.a_client()
    await world.system.until_settled()
    told = partial(
        world.system.rows,
        "notification",
        "SELECT id::text, state FROM deliveries WHERE person = $1 ORDER BY number",
        str(client.id),
    )
    before = [tuple(row) for row in await told()]
    body = a_webhook(a_status(before[0][0], "failed", wamid="w", errors=[{"code": 131026}]))
    for headers in ({}, {"X-Hub-Signature-256": "sha256=00"}, signed(body, "another"), signed(body + b" ")):
        assert await called(world, body, headers) == 404
    assert [tuple(row) for row in await told()] == before
    strange = [a_webhook(a_status("wamid.unknown", "read")), b"[]", b"\xff", b"[" * 50_000, b'{"entry": 1}']
    assert {await called(world, one) for one in strange} == {200}
    assert await called(world, json.dumps("x" * (MOST_BYTES - 2)).encode()) == 200
    assert await called(world, json.dumps("x" * MOST_BYTES).encode()) == 413
    # Out of order and ten times: never back.
    for state in ("read", "delivered", "sent"):
        again = a_webhook(a_status(before[0][0], state, wamid=f"wamid.{before[0][0]}"))
        assert {await called(world, again) for _ in range(10)} == {200}
    assert [tuple(row) for row in await told()] == [(before[0][0], "read"), *before[1:]]


async def test_an_owner_chooses_when_they_are_told_of_the_day_and_of_the_week(world: World) -> None:
    shop, client = await world.a_business(), await world.a_client()
    turno = await world.a_booked_turno(shop, client, place=-1)
    day = turno.starts_at.astimezone(ZoneInfo(shop.timezone)).date()
    path = "/v1/notification/agenda-settings"
    (await world.api.ask("GET", path)).promised(401, "token_missing")
    usual = {"daily_at": "07:00", "weekly_at": "07:00", "weekday": 1}
    assert (await shop.owner.ask("GET", path)).promised(200).answer == usual
    for senseless in ({"daily_at": "7:00"}, {"daily_at": "24:00"}, {"weekday": 8}, {"monthly_at": "07:00"}):
        (await shop.owner.ask("PUT", path, senseless)).promised(422, "validation_failed")
    chosen = {"daily_at": "06:15", "weekly_at": "20:30", "weekday": day.isoweekday()}
    assert (await shop.owner.ask("PUT", path, chosen)).promised(200).answer == chosen
    await world.system.until_settled()
    try:
        for template, at in (("daily_agenda", time(6, 15)), ("weekly_summary", time(20, 30))):
            instant = datetime.combine(day, at, ZoneInfo(shop.timezone))
            for minutes in (-1, 0):
                moved = {"now": (instant + timedelta(minutes=minutes)).isoformat()}
                (await world.api.ask("PUT", "/v1/dev/clock", moved)).promised(200)
            told = await shop.owner.told(template)
            assert (told.data["date"], told.sent_at) == (day.isoformat(), instant)
            assert client.name not in told.body
        never = {**chosen, "daily_at": None}
        assert (await shop.owner.ask("PUT", path, never)).promised(200).answer == never
    finally:
        (await world.api.ask("DELETE", "/v1/dev/clock")).promised(204)
