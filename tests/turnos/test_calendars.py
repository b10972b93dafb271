"""Calendars in other programs: stable UIDs, a SEQUENCE that grows, and a secret that can be taken back."""

# icalendar leaves some of its parameters untyped.
# pyright: reportUnknownMemberType=false

from typing import Any, cast

import httpx
import icalendar
import pytest

from tests.stage import until
from tests.turnos.test_zone_rules import booked_by_other_rules, follow
from tests.turnos.town import Json, Someone, Town, codes, refusal
from turnosya.contracts.turnos import GetHeld
from turnosya.contracts.users import PersonErased

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"


async def a_link(town: Town, by: Someone, **body: object) -> Json:
    answer = await town.post("calendar-links", body, by)
    assert answer.status_code == 201, answer.text
    return cast("Json", answer.json())


async def fetched(town: Town, link: Json, **headers: str) -> httpx.Response:
    """As a calendar program does it: without a token."""
    return await town.http.get(link["url"], headers=headers)


async def events(town: Town, link: Json) -> list[Any]:
    answer = await fetched(town, link)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    calendar = icalendar.Calendar.from_ical(answer.content)
    return list(calendar.walk("VEVENT"))


async def test_a_client_s_calendar_follows_a_turno_through_its_life(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    await shop.booked("2027-06-14T14:00Z")
    link = await a_link(town, client)
    assert set(link) == {"id", "business_id", "url", "created_at"}
    [booked] = await events(town, link)
    assert str(booked["UID"]) == f"{turno['id']}@turnosya"
    assert (booked["SEQUENCE"], str(booked["STATUS"])) == (0, "CONFIRMED")
    assert (booked["DTSTART"].to_ical(), booked["DTEND"].to_ical()) == (
        b"20270614T130000Z",
        b"20270614T133000Z",
    )
    assert str(booked["SUMMARY"]) == "Corte · Barbería Ñandú"
    await town.move(turno, client, "2027-06-15T13:00Z")
    [moved] = await events(town, link)
    assert (moved["UID"], moved["SEQUENCE"]) == (booked["UID"], 1)
    assert moved["DTSTART"].to_ical() == b"20270615T130000Z"
    await town.act(turno, "cancel", client)
    [cancelled] = await events(town, link)
    assert (cancelled["SEQUENCE"], str(cancelled["STATUS"])) == (2, "CANCELLED")


async def test_a_business_s_calendar_is_for_those_who_run_it(town: Town) -> None:
    shop, client, employee = await town.a_shop(), town.somebody(), town.somebody()
    beto = await shop.employs("Beto", user_id=str(employee.id))
    await shop.booked(MONDAY_TEN, client)
    assert (await shop.sets("2027-06-14T14:00Z")).status_code == 201
    await shop.hold("2027-06-14T15:00Z", client)
    link = await a_link(town, employee, business_id=shop.id)
    assert [str(event["SUMMARY"]) for event in await events(town, link)] == [
        "Corte · Ana",
        "Corte · Beto · Dora",
    ]
    stranger = await town.post("calendar-links", {"business_id": shop.id}, client)
    assert refusal(stranger) == "403 forbidden"
    await shop.owned("PATCH", f"/staff/{beto}", {"user_id": None})
    await town.copies_are_current(shop)
    assert refusal(await fetched(town, link)) == "404 not_found"


async def test_a_series_is_as_many_events_and_a_request_is_tentative(town: Town) -> None:
    shop, client = await town.a_shop(confirmation="manual"), town.somebody()
    await shop.booked(MONDAY_TEN, client, repeat={"every_weeks": 2, "count": 3})
    found = await events(town, await a_link(town, client))
    assert len({str(event["UID"]) for event in found}) == 3
    assert [str(event["STATUS"]) for event in found] == ["TENTATIVE"] * 3


async def test_a_wall_time_kept_through_new_rules_is_a_new_sequence(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    await booked_by_other_rules(shop, MONDAY_TEN, client)
    link = await a_link(town, client)
    before = await events(town, link)
    await follow(town)
    await follow(town)
    after = await events(town, link)
    assert (before[0]["SEQUENCE"], after[0]["SEQUENCE"]) == (0, 1)
    assert after[0]["DTSTART"].to_ical() == b"20270614T120000Z"


async def test_a_calendar_in_which_nothing_happened_is_not_sent_again(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    await shop.booked(MONDAY_TEN, client)
    link = await a_link(town, client)
    first = await fetched(town, link)
    town.set_clock("2027-06-11T12:00Z")
    again = await fetched(town, link, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await shop.booked("2027-06-14T14:00Z", client)
    changed = await fetched(town, link, **{"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_a_link_is_listed_taken_back_and_never_guessed(town: Town) -> None:
    client, other = town.somebody(), town.somebody()
    link = await a_link(town, client)
    listed = await town.http.get("/v1/turnos/calendar-links", headers=client.headers)
    assert listed.json() == {"items": [link], "next_cursor": None}
    path = f"/v1/turnos/calendar-links/{link['id']}"
    assert (await town.http.delete(path, headers=other.headers)).status_code == 404
    secret = link["url"].removesuffix(".ics")
    for wrong in (secret[:-2] + "AA", secret[:-4], "/v1/turnos/calendar/x", "/v1/turnos/calendar/%C3%B1%20"):
        assert (await town.http.get(f"{wrong}.ics")).status_code == 404
    assert (await fetched(town, link)).status_code == 200
    assert (await town.http.delete(path, headers=client.headers)).status_code == 204
    assert codes([await fetched(town, link)]) == ["404 not_found"]


async def test_one_key_is_one_link_and_the_database_knows_no_secret(town: Town) -> None:
    client = town.somebody()
    answers = [await town.post("calendar-links", {}, client, key="link") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    secret = answers[0].json()["url"].split("/")[-1].removesuffix(".ics")
    rows = await town.rows("SELECT answer::text AS kept FROM kept_answers")
    assert not any(secret in row.kept for row in rows)
    for _ in range(19):
        await a_link(town, client)
    assert refusal(await town.post("calendar-links", {}, client)) == "409 conflict"


async def test_an_erased_person_s_links_and_preferences_are_gone_and_were_in_their_export(town: Town) -> None:
    client = town.somebody()
    link = await a_link(town, client)
    await town.http.put("/v1/turnos/preferences", json={"staff": "any"}, headers=client.headers)
    held = await town.stage.bus.call(GetHeld(user_id=client.id))
    assert [one["business_id"] for one in held.records["calendar_links"]] == [None]
    assert [one["staff"] for one in held.records["preferences"]] == ["any"]
    await town.stage.tell(PersonErased(user_id=client.id, key="k"))

    async def answer() -> int:
        return (await fetched(town, link)).status_code

    await until(answer, lambda status: status == 404)
    said = await town.http.get("/v1/turnos/preferences", headers=client.headers)
    assert said.json()["staff"] == "same"
