"""Modes, one tap, re-opening, the waitlist, and who may: the rest of a closed day."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.turnos.closings import MONDAY, Day, a_day, outcomes
from tests.turnos.town import Json, Town, all_at_once, refusal
from turnosya.contracts.turnos import ExpireOffer
from turnosya.services.turnos import offers

pytestmark = pytest.mark.asyncio(loop_scope="module")


def path_of(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


async def links(day: Day, name: str) -> Any:  # noqa: ANN401 - of any event with links
    told = (await day.told(name))[-1]
    return told.links  # type: ignore[attr-defined]


async def test_a_link_only_shows_what_a_post_to_it_does_and_needs_no_log_in(town: Town) -> None:
    day = await a_day(town)
    await day.closed()
    sent = await links(day, "a")
    accept, decline = path_of(sent.accept), path_of(sent.decline)

    for _ in range(2):
        shown = await town.http.get(accept)
        assert shown.status_code == 200, shown.text
        assert (shown.json()["purpose"], shown.json()["proposal"]["status"]) == ("accept", "open")
        page = await town.http.get(accept, headers={"Accept": "text/html"})
        assert '<form method="post"' in page.text
    assert (await day.turno("a"))["status"] == "proposed"

    done = await town.http.post(accept)
    assert done.status_code == 200, done.text
    assert done.json()["starts_at"] == (await day.turno("a"))["starts_at"]
    assert (await town.http.post(accept)).json() == done.json()
    assert refusal(await town.http.post(decline)) == "409 proposal_expired"
    assert (await day.told_names("a")).count("AppointmentMoved") == 1


async def test_a_link_for_one_purpose_is_none_for_another_and_ends(town: Town) -> None:
    day = await a_day(town)
    await day.closed()
    token = parse_qs(urlsplit(str((await links(day, "b")).decline)).query)["token"][0]
    wrong = await town.http.post("/v1/turnos/answers/accept", params={"token": token})
    assert refusal(wrong) == "404 link_not_valid"
    other = "B" if token.endswith("A") else "A"
    forged = await town.http.get("/v1/turnos/answers/decline", params={"token": token[:-1] + other})
    assert forged.status_code == 404
    town.set_clock("2027-06-14T12:00Z")
    over = await town.http.post("/v1/turnos/answers/decline", params={"token": token})
    assert refusal(over) == "404 link_not_valid"


async def test_a_client_chooses_by_link_another_time_than_the_offered_one(town: Town) -> None:
    day = await a_day(town)
    await day.closed()
    proposal = await day.proposal("d")
    choose = path_of((await links(day, "d")).choose)

    times = (await town.http.get(choose)).json()["alternatives"]
    wanted = times[-1]["starts_at"]
    assert refusal(await town.http.post(choose)) == "422 validation_failed"
    chosen = await town.http.post(choose, json={"starts_at": wanted})
    assert chosen.status_code == 200, chosen.text
    assert (await day.turno("d"))["starts_at"] == wanted
    assert (await day.proposal("d"))["status"] == "withdrawn"
    assert proposal["starts_at"][11:16] in await day.shop.starts(proposal["starts_at"][:10])
    assert await day.no_overlap()


async def test_automatic_moves_and_tells_and_none_cancels_and_tells(town: Town) -> None:
    day = await a_day(town, reschedule="automatic")
    closure = await day.closed()
    assert (closure["reschedule"], closure["status"]) == ("automatic", "settled")
    assert outcomes(closure) == ["moved"] * 6
    for name in day.turnos:
        assert (await day.turno(name))["status"] == "confirmed"
        assert (await day.told_names(name))[1:] == ["AppointmentMoved"]
    assert (await links(day, "a")).choose
    assert await day.no_overlap()

    other = await a_day(town)
    cancelled = await other.closed(reschedule="none")
    assert (outcomes(cancelled), cancelled["status"]) == (["cancelled"] * 6, "settled")
    assert (await other.told_names("c"))[1:] == ["AppointmentCancelled"]


async def test_reopening_gives_back_what_nobody_has_taken_and_tells_each_once(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed()
    await day.answers("a", "accept")
    await day.answers("b", "decline")

    assert (await day.reopens(closure)).status_code == 204
    assert refusal(await day.reopens(closure)) == "404 not_found"
    assert (await day.turno("a"))["starts_at"] != day.turnos["a"]["starts_at"]
    for name in "bcdef":
        turno = await day.turno(name)
        assert (turno["status"], turno["starts_at"]) == ("confirmed", day.turnos[name]["starts_at"])
        assert (await day.told_names(name)).count("AppointmentRestored") == 1
    assert outcomes(await day.reads(closure)) == ["moved"] + ["kept"] * 5
    assert "12:00" in await day.shop.starts(MONDAY)
    assert refusal(await day.answers("c", "accept")) == "409 proposal_expired"
    assert (await day.closes()).status_code == 201, "what is open again can be closed again"


async def test_a_second_closure_plans_anew_for_whom_the_first_had_offered_its_time(town: Town) -> None:
    day = await a_day(town)
    await day.closed()
    first = {name: await day.proposal(name) for name in day.turnos}
    hit = [name for name, one in first.items() if one["starts_at"].startswith("2027-06-15")]
    assert hit
    body = {"from": "2027-06-15T00:00-03:00", "to": "2027-06-16T00:00-03:00"}
    again = await town.post(f"businesses/{day.shop.id}/closures", body, day.shop.owner)
    assert again.status_code == 201, again.text
    assert again.json()["affected"] == len(hit)
    for name in hit:
        newest, older = (await day.proposals(name))[:2]
        assert (newest["status"], older["status"]) == ("open", "withdrawn")
        assert not newest["starts_at"].startswith("2027-06-15")
    assert await day.no_overlap()


async def test_what_becomes_free_is_held_for_who_waits_in_order_and_then_for_the_next(town: Town) -> None:
    day = await a_day(town)
    first, second = town.somebody(), town.somebody()
    wish = {"business_id": day.shop.id, "service_id": day.shop.cut, "from": MONDAY, "to": MONDAY}
    for client in (first, second):
        joined = await town.post("waitlist", wish, client)
        assert joined.status_code == 201, joined.text
    day.clients |= {"first": first, "second": second}

    cancelled = await town.act(day.turnos["a"], "cancel", day.clients["a"])
    assert cancelled.status_code == 200
    offer = await day.proposal("first")
    assert offer["starts_at"] == f"{MONDAY}T09:00:00-03:00"
    assert offer["expires_at"] == "2027-06-13T12:15:00-03:00"
    assert await day.proposals("second") == []
    assert refusal(await day.shop.book(f"{MONDAY}T09:00-03:00")) == "409 slot_taken held"

    town.set_clock("2027-06-13T15:15Z")
    await offers.expire_offer(town.turnos, ExpireOffer(proposal_id=offer["id"]))
    assert (await day.proposal("first"))["status"] == "expired"
    accepted = await day.answers("second", "accept")
    assert accepted.status_code == 200, accepted.text
    assert (accepted.json()["status"], accepted.json()["starts_at"]) == ("confirmed", offer["starts_at"])
    waits = await town.http.get("/v1/turnos/waitlist", headers=second.headers)
    assert waits.json()["items"] == []
    assert await day.no_overlap()


async def test_who_chooses_the_offered_time_itself_gets_it_though_others_wait(town: Town) -> None:
    day = await a_day(town)
    await day.closed()
    offer = await day.proposal("a")
    date = offer["starts_at"][:10]
    wish = {"business_id": day.shop.id, "service_id": day.shop.cut, "from": date, "to": date}
    waiting = day.clients["w"] = town.somebody()
    assert (await town.post("waitlist", wish, waiting)).status_code == 201

    chosen = await day.answers("a", "choose", {"starts_at": offer["starts_at"]})
    assert chosen.status_code == 200, chosen.text
    assert (await day.turno("a"))["starts_at"] == offer["starts_at"]
    assert await day.no_overlap()


async def test_somebody_who_leaves_the_line_is_offered_nothing(town: Town) -> None:
    day = await a_day(town)
    client = day.clients["w"] = town.somebody()
    wish = {"business_id": day.shop.id, "service_id": day.shop.cut, "from": MONDAY, "to": MONDAY}
    place: Json = (await town.post("waitlist", wish, client)).json()
    path = f"/v1/turnos/waitlist/{place['id']}"
    assert refusal(await town.http.delete(path, headers=town.somebody().headers)) == "404 not_found"
    assert (await town.http.delete(path, headers=client.headers)).status_code == 204
    await town.act(day.turnos["a"], "cancel", day.clients["a"])
    assert await day.proposals("w") == []
    past = await town.post("waitlist", {**wish, "to": "2027-06-01", "from": "2027-06-01"}, client)
    assert refusal(past) == "422 validation_failed"


async def test_only_the_owner_closes_and_only_its_client_answers(town: Town) -> None:
    day = await a_day(town)
    stranger = town.somebody()
    body = {"from": f"{MONDAY}T00:00-03:00", "to": f"{MONDAY}T12:00-03:00"}
    path = f"businesses/{day.shop.id}/closures"
    assert refusal(await town.post(path, body, stranger)) == "403 forbidden"
    backwards = {"from": body["to"], "to": body["from"]}
    assert refusal(await town.post(path, backwards, day.shop.owner)) == "422 validation_failed"
    closure = await day.closed()
    read = await town.http.get(f"/v1/turnos/{path}/{closure['id']}", headers=stranger.headers)
    assert refusal(read) == "403 forbidden"
    proposal = await day.proposal("a")
    for how in ("accept", "decline"):
        answer = await town.http.post(
            f"/v1/turnos/proposals/{proposal['id']}/{how}", headers=stranger.headers
        )
        assert refusal(answer) == "404 not_found"
    hold = await town.http.delete(f"/v1/turnos/holds/{proposal['id']}", headers=day.clients["a"].headers)
    assert refusal(hold) == "404 not_found", "an offer is no hold that one lets go"


async def test_many_answers_at_once_have_one_effect(town: Town) -> None:
    day = await a_day(town)
    await day.closed()
    answers = await all_at_once(
        *(day.answers("e", how) for how in ("accept", "accept", "decline", "accept", "decline"))
    )
    assert {one.status_code for one in answers} == {200, 409}
    names = await day.told_names("e")
    assert names.count("AppointmentMoved") + names.count("ProposalDeclined") == 1
    assert await day.no_overlap()


async def test_a_day_that_closes_while_many_book_it_leaves_nobody_in_it(town: Town) -> None:
    day = await a_day(town)
    starts = [f"{MONDAY}T{hour:02}:{half}-03:00" for hour in (12, 13, 14, 16) for half in ("00", "30")]
    answers = await all_at_once(day.closes(), *(day.shop.book(start) for start in starts))

    closure, booked = answers[0].json(), answers[1:]
    assert answers[0].status_code == 201, answers[0].text
    affected = {one["appointment_id"] for one in closure["outcomes"]}
    for answer in booked:
        if answer.status_code == 201:
            assert answer.json()["id"] in affected, "who came before the closure is part of its plan"
        else:
            assert refusal(answer) == "422 slot_unavailable closed"
    assert len(affected) == 6 + sum(answer.status_code == 201 for answer in booked)
    assert await day.no_overlap()
