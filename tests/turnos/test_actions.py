"""What is done with a turno: cancelled, moved, confirmed, completed; and what lapses by itself."""

from datetime import datetime
from uuid import UUID

import pytest

from tests.turnos.town import Json, Town, refusal, weekly
from turnosya.contracts.jobs import ScheduleRequested
from turnosya.contracts.turnos import (
    AppointmentCancelled,
    AppointmentMoved,
    AppointmentRequested,
    ExpirePending,
    GetVisits,
)
from turnosya.runtime.messages import Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"


def whats(turno: Json) -> list[str]:
    return [line["what"] for line in turno["history"]]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-06-13T12:59Z", "200"),
        ("2027-06-13T13:00Z", "200"),
        ("2027-06-13T13:01Z", "403 cancellation_window_closed"),
    ],
)
async def test_case_38_the_window_binds_the_client_and_not_the_owner(
    town: Town, now: str, expected: str
) -> None:
    shop, client = await town.a_shop(cancellation_notice_minutes=1440), town.somebody()
    turno, other = await shop.booked(MONDAY_TEN, client), await shop.booked("2027-06-14T14:00Z")
    town.set_clock(now)
    assert refusal(await town.move(other, shop.owner, "2027-06-14T15:00Z")) == "200"
    assert refusal(await town.act(turno, "cancel", client)) == expected
    if expected != "200":
        assert refusal(await town.move(turno, client, "2027-06-16T13:00Z")) == expected
        until = (await town.act(turno, "cancel", client)).json()["until"]
        assert until == "2027-06-13T10:00:00-03:00"
        assert (await town.act(turno, "cancel", shop.owner)).status_code == 200


async def test_a_cancellation_says_why_and_is_not_repeated(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    done = (await town.act(turno, "cancel", client, {"reason": "Viajo ✈"})).json()
    assert (done["status"], whats(done)) == ("cancelled", ["booked", "cancelled"])
    assert done["history"][1] == {
        "at": "2027-06-10T09:00:00-03:00",
        "actor_id": str(client.id),
        "what": "cancelled",
        "reason": "Viajo ✈",
    }
    assert refusal(await town.act(turno, "cancel", client)) == "409 appointment_not_active"
    told = await town.told(turno)
    assert isinstance(told[-1], AppointmentCancelled)
    assert (told[-1].reason, len(told)) == ("Viajo ✈", 2)
    for action in ("confirm", "complete", "no-show"):
        assert refusal(await town.act(turno, action, shop.owner)) == "409 appointment_not_active"
    assert refusal(await town.move(turno, client, "2027-06-15T13:00Z")) == "409 appointment_not_active"


async def test_a_repeated_key_gives_the_same_cancellation(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    first, again = [await town.act(turno, "cancel", client, key="c") for _ in range(2)]
    assert (first.json(), first.status_code) == (again.json(), 200)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_moved_turno_is_itself_at_another_time(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client, note="x")
    moved = (await town.move(turno, client, "2027-06-14T13:30Z")).json()
    changed = {"starts_at", "ends_at", "history"}
    assert {k: v for k, v in moved.items() if k not in changed} == {
        k: v for k, v in turno.items() if k not in changed
    }
    assert (moved["starts_at"][11:16], whats(moved)) == ("10:30", ["booked", "moved"])
    starts = await shop.starts("2027-06-14")
    assert ("10:00" in starts, "10:30" in starts) == (True, False)
    told = (await town.told(turno))[-1]
    assert isinstance(told, AppointmentMoved)
    assert told.previous_starts_at == datetime.fromisoformat(MONDAY_TEN)
    assert (await town.move(moved, client, "2027-06-14T13:30Z")).json() == moved
    assert len(await town.told(turno)) == 2


async def test_case_36_a_move_to_a_time_taken_meanwhile_changes_nothing(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    await shop.booked("2027-06-14T14:00Z")
    assert refusal(await town.move(turno, client, "2027-06-14T14:00Z")) == "409 slot_taken taken"
    assert refusal(await town.move(turno, client, "2027-06-13T14:00Z")) == "422 slot_unavailable closed"
    assert await town.read(turno, client) == turno
    assert refusal(await shop.book(MONDAY_TEN)) == "409 slot_taken taken"


async def test_a_turno_booked_with_a_member_stays_with_them_unless_another_is_named(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    beto = await shop.employs("Beto")
    turno = await shop.booked(MONDAY_TEN, client, staff_id=shop.ana)
    await shop.booked("2027-06-14T14:00Z", staff_id=shop.ana)
    assert refusal(await town.move(turno, client, "2027-06-14T14:00Z")) == "409 slot_taken taken"
    moved = (await town.move(turno, client, "2027-06-14T14:00Z", staff_id=beto)).json()
    assert moved["staff_id"] == beto
    assert "10:00" in await shop.starts("2027-06-14", staff_id=shop.ana)


async def test_a_turno_booked_with_anybody_goes_to_whoever_is_free(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    beto = await shop.employs("Beto")
    turno = await shop.booked(MONDAY_TEN, client)
    await shop.booked("2027-06-14T14:00Z", staff_id=turno["staff_id"])
    moved = (await town.move(turno, client, "2027-06-14T14:00Z")).json()
    assert {moved["staff_id"], turno["staff_id"]} == {shop.ana, beto}


async def test_the_owner_moves_without_notice_and_horizon_but_not_outside_hours(town: Town) -> None:
    shop, client = await town.a_shop(min_notice_minutes=600, max_days_ahead=10), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    assert refusal(await town.move(turno, client, "2027-06-10T13:00Z")) == "422 slot_unavailable too_soon"
    assert refusal(await town.move(turno, client, "2027-06-28T13:00Z")) == "422 slot_unavailable too_far"
    assert (await town.move(turno, shop.owner, "2027-06-28T13:00Z")).status_code == 200
    assert (await town.move(turno, shop.owner, "2027-06-10T13:00Z")).status_code == 200
    assert refusal(await town.move(turno, shop.owner, "2027-06-10T02:00Z")) == "422 slot_unavailable past"
    assert refusal(await town.move(turno, shop.owner, "2027-06-13T13:00Z")) == "422 slot_unavailable closed"


async def test_a_turno_is_completed_from_its_start_on(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    came, missed = await shop.booked(MONDAY_TEN, client), await shop.booked("2027-06-14T13:30Z", client)
    assert refusal(await town.act(came, "complete", shop.owner)) == "409 conflict"
    assert refusal(await town.act(came, "no-show", shop.owner)) == "409 conflict"
    town.set_clock("2027-06-14T13:00Z")
    done = await town.act(came, "complete", shop.owner)
    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert (await town.act(came, "complete", shop.owner)).json() == done.json()
    assert refusal(await town.act(came, "no-show", shop.owner)) == "409 appointment_not_active"
    assert refusal(await town.act(missed, "no-show", shop.owner)) == "409 conflict"
    town.set_clock("2027-06-14T13:30Z")
    assert (await town.act(missed, "no-show", shop.owner)).json()["status"] == "no_show"
    assert await town.told_names(came) == ["AppointmentBooked", "AppointmentCompleted"]
    assert await town.told_names(missed) == ["AppointmentBooked", "AppointmentMissed"]
    visits = GetVisits(client_id=client.id, business_id=UUID(shop.id))
    assert (await town.stage.bus.call(visits)).completed == 1


async def test_a_request_waits_for_the_owner(town: Town) -> None:
    shop, client = await town.a_shop(confirmation="manual"), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    assert (turno["status"], turno["expires_at"]) == ("pending", "2027-06-11T09:00:00-03:00")
    assert refusal(await shop.book(MONDAY_TEN)) == "409 slot_taken taken"
    assert refusal(await town.act(turno, "confirm", client)) == "403 forbidden"
    told = await town.told(turno)
    assert isinstance(told[0], AppointmentRequested)
    assert isinstance(told[1], ScheduleRequested)
    assert (told[1].job.request, told[1].job.run_at) == (
        "turnos.ExpirePending",
        datetime.fromisoformat("2027-06-11T12:00Z"),
    )
    done = (await town.act(turno, "confirm", shop.owner)).json()
    assert (done["status"], done["expires_at"], whats(done)) == (
        "confirmed",
        None,
        ["requested", "confirmed"],
    )
    assert (await town.act(turno, "confirm", shop.owner)).json() == done
    assert len(await town.told(turno)) == 3


async def test_case_32_a_declined_request_frees_its_time(town: Town) -> None:
    shop = await town.a_shop(confirmation="manual")
    turno = await shop.booked(MONDAY_TEN)
    assert refusal(await shop.book(MONDAY_TEN)) == "409 slot_taken taken"
    declined = (await town.act(turno, "cancel", shop.owner)).json()
    assert (declined["status"], whats(declined)) == ("cancelled", ["requested", "declined"])
    assert "10:00" in await shop.starts("2027-06-14")


async def test_a_request_lapses_after_a_day_and_both_are_told_once(town: Town) -> None:
    shop, client = await town.a_shop(confirmation="manual"), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    job = ExpirePending(appointment_id=UUID(turno["id"]))
    town.set_clock("2027-06-11T11:59:30Z")
    with pytest.raises(Unavailable):
        await town.stage.bus.call(job)
    assert (await town.read(turno, client))["status"] == "pending"
    town.set_clock("2027-06-11T12:00Z")
    for _ in range(3):
        await town.stage.bus.call(job)
    lapsed = await town.read(turno, client)
    assert (lapsed["status"], whats(lapsed)) == ("cancelled", ["requested", "expired"])
    assert (await town.told_names(turno))[2:] == ["AppointmentExpired"]
    assert "10:00" in await shop.starts("2027-06-14")


async def test_a_request_lapses_at_its_start_at_the_latest(town: Town) -> None:
    shop = await town.a_shop(confirmation="manual")
    turno = await shop.booked("2027-06-10T13:00Z")
    assert turno["expires_at"] == turno["starts_at"]


async def test_a_lapsed_request_is_over_even_if_its_job_never_ran(town: Town) -> None:
    shop, client, other = await town.a_shop(confirmation="manual"), town.somebody(), town.somebody()
    booked_over = await shop.booked(MONDAY_TEN, client)
    read, listed = (
        await shop.booked("2027-06-14T14:00Z", client),
        await shop.booked("2027-06-14T15:00Z", other),
    )
    town.set_clock("2027-06-11T12:00Z")
    assert "10:00" in await shop.starts("2027-06-14")
    await shop.booked(MONDAY_TEN)
    assert refusal(await town.act(read, "confirm", shop.owner)) == "409 appointment_not_active"
    items = (await town.http.get("/v1/turnos/appointments", headers=other.headers)).json()["items"]
    assert [(one["id"], one["status"]) for one in items] == [(listed["id"], "cancelled")]
    for turno in (booked_over, read, listed):
        assert (await town.told_names(turno))[2:] == ["AppointmentExpired"]


async def test_a_client_s_move_is_a_request_again_and_the_owner_s_is_not(town: Town) -> None:
    shop, client = await town.a_shop(confirmation="manual"), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    await town.act(turno, "confirm", shop.owner)
    moved = (await town.move(turno, client, "2027-06-14T14:00Z")).json()
    assert (moved["status"], moved["expires_at"]) == ("pending", "2027-06-11T09:00:00-03:00")
    assert (await town.told_names(turno))[3:] == ["AppointmentRequested", "ScheduleRequested"]
    await town.act(turno, "confirm", shop.owner)
    moved = (await town.move(turno, shop.owner, "2027-06-14T15:00Z")).json()
    assert (moved["status"], moved["expires_at"]) == ("confirmed", None)
    assert (await town.told_names(turno))[-1] == "AppointmentMoved"


async def test_the_owner_moves_a_request_and_it_still_waits(town: Town) -> None:
    shop = await town.a_shop(weekly("1-6", "09:00-18:00"), confirmation="manual")
    turno = await shop.booked(MONDAY_TEN)
    moved = (await town.move(turno, shop.owner, "2027-06-10T14:00Z")).json()
    assert (moved["status"], moved["expires_at"]) == ("pending", moved["starts_at"])
    assert (await town.told_names(turno))[2:] == ["AppointmentMoved", "ScheduleRequested"]
