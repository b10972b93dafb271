"""The second round of a closure, overlapping closures, re-opening, and offers that a change takes away."""

from typing import Any

import pytest

from tests.stage import until
from tests.turnos.closings import F1, MONDAY, Day, a_day, outcomes
from tests.turnos.town import Town, all_at_once, refusal, weekly
from turnosya.contracts.jobs import ScheduleRequested
from turnosya.contracts.turnos import BeginSecondRound, ExpireOffer
from turnosya.services.turnos import offers, rounds

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def second_rounds_at(town: Town) -> set[str]:
    """When second rounds were asked for."""
    await town.told({"id": "nothing"})
    asked = [one.job for one in town.heard if isinstance(one, ScheduleRequested)]
    return {job.run_at.isoformat() for job in asked if job.request == BeginSecondRound.wire_name}


async def second_round(day: Day, closure: dict[str, Any]) -> None:
    """Its job runs, and its plan is made."""
    await rounds.begin_second(day.town.turnos, BeginSecondRound(closure_id=closure["id"]))

    async def waiting() -> int:
        # In one look: an event is stored with its hearer before it is no longer stored to be told.
        rows = await day.town.rows(
            "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM inbox WHERE state = 'waiting') AS n"
        )
        return int(rows[0].n)

    await until(waiting, lambda count: count == 0)


async def test_who_declined_or_did_not_answer_is_planned_for_once_more_when_all_have(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed()
    assert closure["plan"] == {
        "status": "proved",
        "limit": None,
        "gap_percent": 0.0,
        "placed": 6,
        "placed_at_most": 6,
    }
    for name in "ab":
        assert (await day.answers(name, "decline")).status_code == 200
    declined = {name: (await day.proposal(name))["starts_at"] for name in "ab"}
    assert await second_rounds_at(town) == {"2027-06-13T15:15:00+00:00"}
    await second_round(day, closure)
    assert (await day.reads(closure))["second_round_at"] is None, "the others have an offer open"

    for name in "cd":
        assert (await day.answers(name, "accept")).status_code == 200
    town.set_clock("2027-06-14T03:00Z")
    for name in "ef":
        await offers.expire_offer(town.turnos, ExpireOffer(proposal_id=(await day.proposal(name))["id"]))
    chosen = await day.answers("f", "choose", {"starts_at": "2027-06-17T12:00-03:00"})
    assert chosen.status_code == 200

    town.set_clock("2027-06-14T03:15Z")
    await second_round(day, closure)
    now = await day.reads(closure)
    assert now["second_round_at"] == "2027-06-14T00:15:00-03:00"
    assert outcomes(now) == ["proposed", "proposed", "moved", "moved", "proposed", "moved"]
    assert now["plan"]["status"] == "proved"
    for name in "abe":
        found = await day.proposals(name)
        assert [one["status"] for one in found] == ["open", "expired" if name == "e" else "declined"]
        assert (await day.told_names(name)).count("AppointmentProposed") == 2
    for name in "ab":
        assert (await day.proposal(name))["starts_at"] != declined[name], "declined is declined"
        assert (await day.proposal(name))["expires_at"] <= f"{MONDAY}T07:30:00-03:00"
    assert await day.no_overlap()

    # There is no third.
    await second_round(day, closure)
    assert (await day.answers("a", "decline")).status_code == 200
    await second_round(day, closure)
    assert (await day.proposal("a"))["status"] == "declined"
    assert (await day.answers("e", "accept")).status_code == 200
    town.set_clock("2027-06-14T11:00Z")
    assert [(await day.turno(name))["status"] for name in "ab"] == ["cancelled", "cancelled"]
    settled = await day.reads(closure)
    assert settled["status"] == "settled"
    assert sum(settled["counts"].values()) == settled["affected"] == 6
    assert await day.no_overlap()


async def test_a_second_round_that_is_late_puts_off_no_end(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed()
    for name in F1:
        assert (await day.answers(name, "decline")).status_code == 200
    # Five minutes before a's last chance.
    town.set_clock("2027-06-14T09:55Z")
    await second_round(day, closure)
    assert [(await day.proposal(name))["status"] for name in "af"] == ["declined", "open"]
    assert (await day.turno("a"))["expires_at"] == f"{MONDAY}T07:00:00-03:00"
    assert (await day.turno("f"))["expires_at"] == f"{MONDAY}T15:00:00-03:00"


async def test_in_the_second_round_the_waitlist_competes_for_what_became_free(town: Town) -> None:
    # Room for four in all: whoever is left has the Tuesday.
    shop = await town.a_shop(max_days_ahead=4)
    day = Day(shop)
    for number, name in enumerate("abcd"):
        await day.books(name, f"09:{30 * number:02}" if number < 2 else f"10:{30 * (number - 2):02}")
    town.set_clock("2027-06-13T15:00Z")
    for date in ("2027-06-16", "2027-06-17"):
        await shop.override(date)
    await shop.override("2027-06-15", "09:00-11:00")
    closure = await day.closed()
    assert outcomes(closure) == ["proposed"] * 4
    given = {name: (await day.proposal(name))["starts_at"] for name in "abcd"}
    for name in "abc":
        await day.answers(name, "decline")
    wish = {"business_id": shop.id, "service_id": shop.cut, "from": "2027-06-15", "to": "2027-06-15"}
    for name in ("v", "w"):
        day.clients[name] = town.somebody()
        assert (await town.post("waitlist", wish, day.clients[name])).status_code == 201
    await day.answers("d", "accept")
    await second_round(day, closure)

    # Three places for five: those whose day was closed come first, each another place than they declined.
    placed = {name: (await day.proposal(name))["starts_at"] for name in "abc"}
    assert set(placed.values()) == {given[name] for name in "abc"}
    assert all(placed[name] != given[name] for name in "abc")
    assert await day.proposals("v") == await day.proposals("w") == []

    # And one of them has enough: the first in line is next.
    assert (await day.answers("a", "decline")).status_code == 200
    assert (await day.proposal("v"))["starts_at"] == placed["a"]
    assert await day.no_overlap()


async def test_what_the_second_round_leaves_is_held_for_the_waitlist_in_the_same_plan(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed()
    tuesday = "2027-06-15"
    free = await day.proposal("a")
    assert free["starts_at"].startswith(tuesday)
    for name in F1:
        await day.answers(name, "decline")
    wish = {"business_id": day.shop.id, "service_id": day.shop.cut, "from": tuesday, "to": tuesday}
    for name in ("v", "w"):
        day.clients[name] = town.somebody()
        assert (await town.post("waitlist", wish, day.clients[name])).status_code == 201
    await second_round(day, closure)
    offered = [await day.proposal(name) for name in "vw"]
    assert {one["status"] for one in offered} == {"open"}
    assert {one["expires_at"] for one in offered} == {"2027-06-13T12:15:00-03:00"}
    assert {(await day.proposal(name))["status"] for name in F1} == {"open"}
    assert (await day.reads(closure))["plan"]["placed"] == 8
    accepted = await day.answers("v", "accept")
    assert accepted.status_code == 200, accepted.text
    assert await day.no_overlap()


async def test_two_closures_that_overlap_each_keep_what_is_theirs(town: Town) -> None:
    day = await a_day(town)
    morning = await day.closed("09:00", "12:00")
    other = await day.closed("08:00", "11:00", reason="Feriado puente")
    assert (morning["affected"], other["affected"]) == (4, 0)
    before = {name: await day.proposal(name) for name in "abcd"}

    assert (await day.reopens(morning)).status_code == 204
    assert outcomes(await day.reads(morning)) == ["kept"] * 4
    assert outcomes(await day.reads(other)) == ["proposed"] * 3
    for name in "abc":
        assert (await day.turno(name))["status"] == "proposed", "it is still closed then"
        assert await day.proposal(name) == before[name]
    assert (await day.turno("d"))["status"] == "confirmed"
    assert (await day.answers("a", "accept")).status_code == 200
    assert outcomes(await day.reads(other)) == ["moved", "proposed", "proposed"]

    assert (await day.reopens(other)).status_code == 204
    assert [(await day.turno(name))["status"] for name in F1] == ["confirmed"] * 6
    assert [(await day.told_names(name)).count("AppointmentRestored") for name in "abcd"] == [0, 1, 1, 1]
    assert await day.no_overlap()


async def test_a_day_whose_offers_are_closed_too_gives_back_what_was_before_all_of_it(town: Town) -> None:
    day = Day(await town.a_shop(confirmation="manual"))
    town.set_clock("2027-06-13T15:00Z")
    for name, start in F1.items():
        await day.books(name, start)
    assert (await town.act(day.turnos["a"], "confirm", day.shop.owner)).status_code == 200
    first = await day.closed()
    second = await day.closed_on("2027-06-15")
    assert second["affected"] > 0
    for closure in (second, first):
        assert (await day.reopens(closure)).status_code == 204
    for name in F1:
        turno = await day.turno(name)
        assert turno["starts_at"] == day.turnos[name]["starts_at"]
        assert turno["status"] == ("confirmed" if name == "a" else "pending"), name
        assert (await day.told_names(name)).count("AppointmentRestored") == 1
    assert (await day.turno("b"))["expires_at"] == f"{MONDAY}T09:30:00-03:00"
    town.set_clock("2027-06-14T12:30Z")
    assert (await day.turno("b"))["status"] == "cancelled"
    assert (await day.told_names("b"))[-1] == "AppointmentExpired"


async def test_time_that_opens_again_goes_to_who_waits_as_many_as_it_suits(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed("12:00", "15:00")
    assert closure["affected"] == 0
    color = {"service_id": day.shop.services["Color"]}
    wish = {"business_id": day.shop.id, "service_id": day.shop.cut, "from": MONDAY, "to": MONDAY}
    for name, more in (("u", {}), ("v", color), ("w", {}), ("x", {"from": "2027-06-15", "to": "2027-06-15"})):
        day.clients[name] = town.somebody()
        assert (await town.post("waitlist", {**wish, **more}, day.clients[name])).status_code == 201
    assert (await day.reopens(closure)).status_code == 204
    starts = [(await day.proposal(name))["starts_at"][11:16] for name in "uvw"]
    assert starts == ["12:00", "12:30", "13:30"]
    assert await day.proposals("x") == []
    assert refusal(await day.shop.book(f"{MONDAY}T12:30-03:00")) == "409 slot_taken held"
    assert await day.no_overlap()


async def test_what_is_held_for_the_waitlist_is_no_longer_where_a_closure_comes(town: Town) -> None:
    day = await a_day(town)
    client = day.clients["w"] = town.somebody()
    wish = {"business_id": day.shop.id, "service_id": day.shop.cut, "from": MONDAY, "to": "2027-06-18"}
    assert (await town.post("waitlist", wish, client)).status_code == 201
    await town.act(day.turnos["a"], "cancel", day.clients["a"])
    assert (await day.proposal("w"))["status"] == "open"
    await day.closed()
    assert refusal(await day.answers("w", "accept")) == "409 proposal_expired"
    waits = await town.http.get("/v1/turnos/waitlist", headers=client.headers)
    assert len(waits.json()["items"]) == 1


async def test_reopening_in_the_middle_of_answers_gives_each_the_one_or_the_other(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed()
    answers = await all_at_once(
        *(day.answers(name, "accept") for name in "abc"), day.reopens(closure), day.answers("d", "decline")
    )
    assert answers[3].status_code == 204
    for name, answer in zip("abc", answers, strict=False):
        turno = await day.turno(name)
        assert turno["status"] == "confirmed"
        has_moved = turno["starts_at"] != day.turnos[name]["starts_at"]
        assert has_moved == (answer.status_code == 200)
        names = await day.told_names(name)
        assert names.count("AppointmentMoved") + names.count("AppointmentRestored") == 1
    assert (await day.turno("d"))["starts_at"] == day.turnos["d"]["starts_at"]
    assert set(outcomes(await day.reads(closure))) <= {"moved", "kept"}
    assert await day.no_overlap()


async def test_offers_whose_hours_go_away_are_withdrawn_and_planned_again(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed()
    first = {name: await day.proposal(name) for name in F1}
    hit = [name for name in F1 if first[name]["starts_at"].startswith("2027-06-15")]
    assert hit
    changed = await day.shop.override("2027-06-15")
    assert changed.status_code == 201, "what is only offered strands nobody"

    async def again() -> list[str]:
        return [(await day.proposals(name))[0]["status"] for name in hit]

    await until(again, lambda found: set(found) == {"open"})
    for name in hit:
        newest, older = (await day.proposals(name))[:2]
        assert (older["id"], older["status"]) == (first[name]["id"], "withdrawn")
        assert not newest["starts_at"].startswith("2027-06-15")
    assert outcomes(await day.reads(closure)) == ["proposed"] * 6
    assert await day.no_overlap()


async def test_a_turno_that_needs_another_time_and_is_cancelled_by_a_change_leaves_nothing_behind(
    town: Town,
) -> None:
    day = await a_day(town)
    closure = await day.closed()
    changed = await day.shop.schedule(weekly("3-6", "09:00-18:00"), on_conflict="cancel")
    assert changed.status_code == 200, changed.text
    found = outcomes(await day.reads(closure))
    for name, outcome in zip(F1, found, strict=True):
        status = (await day.turno(name))["status"]
        assert (status == "cancelled") == (outcome == "cancelled"), (name, status, outcome)
    rows = await town.rows(
        "SELECT count(*) AS n FROM proposals JOIN appointments ON appointments.id = proposals.appointment_id"
        " WHERE proposals.status = 'open' AND appointments.status <> 'proposed'"
    )
    assert rows[0].n == 0
