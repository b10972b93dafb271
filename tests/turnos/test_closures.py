"""Cases 40 to 48 of ``docs/rules.md``: a closed day arranges itself."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from tests.turnos.closings import F1, MONDAY, Day, a_day, outcomes
from tests.turnos.town import Town, all_at_once, refusal
from turnosya.contracts.turnos import AppointmentProposed
from turnosya.runtime.service import Service
from turnosya.services.business.service import service as business
from turnosya.services.jobs.service import service as jobs
from turnosya.services.turnos.service import service as turnos

pytestmark = pytest.mark.asyncio(loop_scope="module")
RUNNER = {"TURNOSYA_JOBS_POLL_S": "0.05"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["no_runner", "runner", "rabbitmq"])
async def stage(request: pytest.FixtureRequest, servers: Servers) -> AsyncGenerator[Stage]:
    """In memory without the job runner, with it, and with it over RabbitMQ."""
    services: list[Service[Any]] = [business, turnos]
    services += [] if request.param == "no_runner" else [jobs]
    broker_url = servers.broker_url if request.param == "rabbitmq" else None
    async with a_stage(servers, services, settings=RUNNER, broker_url=broker_url) as made:
        yield made


async def state(day: Day) -> list[object]:
    counts = await day.town.rows(
        """
        SELECT (SELECT count(*) FROM appointments) AS a, (SELECT count(*) FROM closures) AS c,
               (SELECT count(*) FROM proposals) AS p, (SELECT count(*) FROM affected) AS f
        """
    )
    return [tuple(row) for row in counts]


async def statuses(day: Day, table: str, column: str, value: str) -> list[str]:
    """As the rows have it: to read one over HTTP would let lapse what is over."""
    rows = await day.town.rows(f"SELECT status FROM {table} WHERE {column} = $1", value)  # noqa: S608 - constants
    return [row.status for row in rows]


async def test_40_a_draft_shows_the_plan_twice_the_same_and_touches_nothing(town: Town) -> None:
    day = await a_day(town)
    before = await state(day)

    draft = await day.closed(dry_run=True)
    again = await day.closed(dry_run=True)

    assert (draft["id"], draft["status"], draft["affected"]) == (None, "draft", 6)
    assert outcomes(draft) == ["proposed"] * 6
    assert draft["outcomes"] == again["outcomes"]
    assert await state(day) == before
    assert await day.told_names("a") == ["AppointmentBooked"]
    assert (await day.turno("a"))["status"] == "confirmed"


async def test_41_six_times_are_held_inside_hours_apart_from_each_other_and_originals_stay(
    town: Town,
) -> None:
    day = await a_day(town)
    draft = await day.closed(dry_run=True)
    closure = await day.closed(reschedule="propose")

    assert closure["status"] == "held"
    assert closure["outcomes"] == draft["outcomes"]
    assert await day.no_overlap()
    for name in F1:
        proposal, turno = await day.proposal(name), await day.turno(name)
        starts = datetime.fromisoformat(proposal["starts_at"])
        assert proposal["status"] == "open"
        assert proposal["appointment_id"] == turno["id"]
        assert (turno["status"], turno["starts_at"]) == ("proposed", day.turnos[name]["starts_at"])
        assert starts.date().isoformat() != MONDAY
        assert 9 <= starts.hour < 18
        assert starts.isoweekday() <= 6
        told = (await day.told(name))[-1]
        assert isinstance(told, AppointmentProposed)
        assert told.starts_at == starts
    assert await day.shop.starts(MONDAY) == []
    tuesday = await day.shop.starts("2027-06-15")
    assert "09:00" not in tuesday, "what is held for one is not offered to others"


async def test_42_accepting_three_times_is_one_move_and_one_message_to_each_side(town: Town) -> None:
    day = await a_day(town)
    closure = await day.closed()
    proposal = await day.proposal("a")

    first = await day.answers("a", "accept", key="yes")
    retried = await day.answers("a", "accept", key="yes")
    twice = await day.answers("a", "accept")

    assert [one.status_code for one in (first, retried, twice)] == [200, 200, 200]
    assert first.json() == retried.json() == twice.json()
    moved = await day.turno("a")
    assert (moved["status"], moved["starts_at"]) == ("confirmed", proposal["starts_at"])
    assert [line["what"] for line in moved["history"]] == ["booked", "proposed", "moved"]
    assert proposal["id"] in moved["history"][-1]["reason"]
    assert await day.told_names("a") == ["AppointmentBooked", "AppointmentProposed", "AppointmentMoved"]
    assert (await day.proposal("a"))["status"] == "accepted"
    now = await day.reads(closure)
    assert (now["status"], outcomes(now)[0]) == ("answering", "moved")
    assert await day.no_overlap()


async def test_43_declining_frees_the_time_at_once_and_another_can_be_chosen(town: Town) -> None:
    day = await a_day(town)
    await day.closed()
    proposal = await day.proposal("b")
    date, start = proposal["starts_at"][:10], proposal["starts_at"][11:16]
    assert start not in await day.shop.starts(date)

    declined = await day.answers("b", "decline")
    assert (declined.status_code, declined.json()["status"]) == (200, "declined")
    assert start in await day.shop.starts(date)
    assert (await day.turno("b"))["status"] == "proposed"
    assert (await day.told_names("b"))[-1] == "ProposalDeclined"
    assert refusal(await day.answers("b", "accept")) == "409 proposal_expired"

    chosen = await day.answers("b", "choose", {"starts_at": "2027-06-17T12:00-03:00"})
    assert chosen.status_code == 200, chosen.text
    assert (await day.turno("b"))["starts_at"] == "2027-06-17T12:00:00-03:00"
    assert (await day.told_names("b"))[-1] == "AppointmentMoved"


async def test_44_who_does_not_answer_loses_the_offer_first_and_the_turno_two_hours_before(
    town: Town,
) -> None:
    day = await a_day(town)
    closure = await day.closed()
    proposal = await day.proposal("e")
    assert proposal["expires_at"] == "2027-06-14T00:00:00-03:00"
    town.set_clock("2027-06-14T03:00Z")

    if "jobs" in town.stage.running:
        await until(lambda: day.told_names("e"), lambda told: "ProposalExpired" in told)
    booked = await day.shop.book(proposal["starts_at"])
    assert booked.status_code == 201, booked.text
    assert await statuses(day, "proposals", "id", proposal["id"]) == ["expired"]
    assert (await day.turno("e"))["status"] == "proposed"
    assert (await day.told_names("e"))[-1] == "ProposalExpired"

    town.set_clock("2027-06-14T15:59Z")
    assert (await day.turno("e"))["status"] == "proposed"
    town.set_clock("2027-06-14T16:00Z")
    if "jobs" in town.stage.running:
        await until(lambda: day.told_names("e"), lambda told: "AppointmentCancelled" in told)
    else:
        booked = await day.shop.sets(day.turnos["e"]["starts_at"], force=True)
        assert booked.status_code == 201, booked.text
    assert await statuses(day, "appointments", "id", day.turnos["e"]["id"]) == ["cancelled"]
    names = await day.told_names("e")
    assert names.count("AppointmentCancelled") == 1
    assert names.count("ProposalExpired") == 1
    assert outcomes(await day.reads(closure))[4] == "cancelled"
    assert await day.no_overlap()


async def test_45_five_of_eight_find_a_place_and_three_wait(town: Town) -> None:
    shop = await town.a_shop(max_days_ahead=4)
    day = Day(shop)
    for number in range(8):
        await day.books(f"{number}", f"{9 + number // 2:02}:{30 * (number % 2):02}")
    for date in ("2027-06-11", "2027-06-12"):
        await shop.override(date)
    town.set_clock("2027-06-13T15:00Z")
    await shop.override("2027-06-15", "09:00-11:30")
    for date in ("2027-06-16", "2027-06-17"):
        await shop.override(date)

    closure = await day.closed(reschedule="propose")
    assert sorted(outcomes(closure)) == ["proposed"] * 5 + ["waiting"] * 3
    left_out = [name for name in day.turnos if not await day.proposals(name)]
    assert len(left_out) == 3
    for name in left_out:
        told = (await day.told(name))[-1]
        assert type(told).__name__ == "AppointmentUnplaced"
        assert told.links.choose  # type: ignore[attr-defined]
        waits = await town.http.get("/v1/turnos/waitlist", headers=day.clients[name].headers)
        assert [one["appointment_id"] for one in waits.json()["items"]] == [day.turnos[name]["id"]]

    # Who declines gives their time to the first of those who wait.
    placed = next(name for name in day.turnos if name not in left_out)
    given = await day.proposal(placed)
    assert (await day.answers(placed, "decline")).status_code == 200
    offered = await day.proposal(left_out[0])
    assert offered["starts_at"] == given["starts_at"]
    assert offered["expires_at"] == "2027-06-13T12:15:00-03:00"
    assert (await day.answers(left_out[0], "accept")).status_code == 200
    assert (await day.turno(left_out[0]))["starts_at"] == given["starts_at"]


async def test_46_the_same_order_twice_is_one_plan_and_six_messages(town: Town) -> None:
    day = await a_day(town)
    answers = await all_at_once(*(day.closes(key=key) for key in ("one", "one", "two", "three")))

    made = [one for one in answers if one.status_code == 201 and "Idempotent-Replayed" not in one.headers]
    assert len(made) == 1
    assert {one.status_code for one in answers} == {200, 201}
    assert len({one.json()["id"] for one in answers}) == 1
    names = [name for one in F1 for name in await day.told_names(one)]
    assert names.count("AppointmentProposed") == 6
    assert (await town.rows("SELECT count(*) AS n FROM proposals WHERE business_id = $1", day.shop.id))[
        0
    ].n == 6


async def test_47_only_what_is_in_the_closed_time_is_affected(town: Town) -> None:
    day = await a_day(town)
    await day.books("g", "11:30", service="Color", day=MONDAY)
    closure = await day.closed("12:00", "24:00")

    affected = {one["appointment_id"] for one in closure["outcomes"]}
    assert affected == {day.turnos[name]["id"] for name in "efg"}
    assert [(await day.turno(name))["status"] for name in "abcd"] == ["confirmed"] * 4


async def test_48_sixty_are_planned_and_held_in_one_call(town: Town) -> None:
    shop = await town.a_shop(service={"capacity": 4})
    members = [shop.ana, *[await shop.employs(f"M{number}") for number in range(3)]]
    await town.copies_are_current(shop)
    day = Day(shop)
    for number in range(60):
        hour, half = divmod(number // 4 % 15 + 18, 2)
        day.clients[f"{number}"] = town.somebody()
        day.turnos[f"{number}"] = await shop.booked(
            f"{MONDAY}T{hour:02}:{30 * half:02}-03:00",
            day.clients[f"{number}"],
            staff_id=members[number % 4],
        )
    town.set_clock("2027-06-13T15:00Z")
    closure = await day.closed(reschedule="propose")
    assert closure["affected"] == 60
    assert closure["counts"]["proposed"] == 60
    assert await day.no_overlap()
