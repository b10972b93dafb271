"""What is over completes itself an hour after its end, unless the business says otherwise."""

from uuid import UUID

import pytest

from tests.turnos.town import Json, Town, all_at_once, codes
from turnosya.contracts.turnos import AppointmentCompleted, CompleteOver, GetVisits
from turnosya.services.turnos.service import service

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"
AN_HOUR_AFTER = "2027-06-14T14:30Z"


async def status_in_table(town: Town, turno: Json) -> str:
    rows = await town.rows("SELECT status FROM appointments WHERE id = $1", UUID(turno["id"]))
    return str(rows[0].status)


async def test_the_job_completes_what_ended_an_hour_ago(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno, later = await shop.booked(MONDAY_TEN, client), await shop.booked("2027-06-14T13:30Z")
    town.set_clock("2027-06-14T14:29Z")
    await town.stage.bus.call(CompleteOver())
    assert await status_in_table(town, turno) == "confirmed"
    town.set_clock(AN_HOUR_AFTER)
    for _ in range(2):
        await town.stage.bus.call(CompleteOver())
    assert (await status_in_table(town, turno), await status_in_table(town, later)) == (
        "completed",
        "confirmed",
    )
    seen = await town.read(turno, client)
    assert [(line["what"], line["actor_id"]) for line in seen["history"]] == [
        ("booked", str(client.id)),
        ("completed", None),
    ]
    told = [event for event in await town.told(turno) if isinstance(event, AppointmentCompleted)]
    assert [event.by_itself for event in told] == [True]


async def test_whoever_reads_it_sees_it_completed_though_no_job_has_run(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    town.set_clock(AN_HOUR_AFTER)
    visits = await town.stage.bus.call(GetVisits(client_id=client.id, business_id=UUID(shop.id)))
    assert visits.completed == 1
    listed = await town.http.get("/v1/turnos/appointments", headers=client.headers)
    assert [item["status"] for item in listed.json()["items"]] == ["completed"]
    assert await town.told_names(turno) == ["AppointmentBooked", "AppointmentCompleted"]


async def test_what_the_business_said_stays_and_what_nobody_said_it_corrects(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    missed, open_yet = await shop.booked(MONDAY_TEN, client), await shop.booked("2027-06-14T14:00Z", client)
    town.set_clock("2027-06-14T14:00Z")
    assert (await town.act(missed, "no-show", shop.owner)).status_code == 200
    town.set_clock("2027-06-14T20:00Z")
    await town.stage.bus.call(CompleteOver())
    assert (await town.read(missed, client))["status"] == "no_show"
    assert (await town.read(open_yet, client))["status"] == "completed"
    assert (await town.act(open_yet, "complete", shop.owner)).status_code == 200
    corrected = await town.act(open_yet, "no-show", shop.owner)
    assert [line["what"] for line in corrected.json()["history"]] == ["booked", "completed", "no_show"]
    assert codes([await town.act(open_yet, "complete", shop.owner)]) == ["409 appointment_not_active"]


async def test_completed_by_many_at_once_it_is_completed_once(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    town.set_clock(AN_HOUR_AFTER)
    path = f"/v1/turnos/appointments/{turno['id']}"
    answers = await all_at_once(*(town.http.get(path, headers=client.headers) for _ in range(8)))
    assert {answer.json()["status"] for answer in answers} == {"completed"}
    assert (await town.told_names(turno)).count("AppointmentCompleted") == 1


async def test_what_recurs_is_declared() -> None:
    recurring = {one.request.wire_name: (one.every_s, one.cron) for one in service.recurs}
    assert recurring == {
        "turnos.CompleteOver": (300, None),
        "turnos.FollowZoneRules": (None, "17 7 * * *"),
    }
