"""The rules of a zone change: turnos keep their wall time, nobody is told, and twice is once."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.turnos.test_never_twice import overlaps
from tests.turnos.town import Json, Shop, Someone, Town
from turnosya.contracts.turnos import FollowZoneRules

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def booked_by_other_rules(shop: Shop, starts_at: str, client: Someone, **more: object) -> Json:
    """A turno that was given when the zone lay an hour further west: its wall time is an hour earlier."""
    turno = await shop.booked(starts_at, client, **more)
    async with shop.town.turnos.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE appointments SET utc_offset_s = utc_offset_s - 3600 WHERE id = $1", (UUID(turno["id"]),)
        )
    return turno


async def follow(town: Town) -> None:
    await town.stage.bus.call(FollowZoneRules())


async def test_the_wall_time_stays_and_a_second_run_changes_nothing(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await booked_by_other_rules(shop, "2027-06-14T10:00-03:00", client)
    other = await shop.booked("2027-06-14T15:00-03:00")
    for _ in range(2):
        await follow(town)
    moved = await town.read(turno, client)
    assert moved["starts_at"] == "2027-06-14T09:00:00-03:00"
    assert moved["ends_at"] == "2027-06-14T09:30:00-03:00"
    assert [line["what"] for line in moved["history"]] == ["booked", "anchored"]
    assert await town.told_names(turno) == ["AppointmentBooked", "AppointmentAnchored"]
    assert await town.told_names(other) == ["AppointmentBooked"]
    free = await shop.starts("2027-06-14")
    assert ("09:00" in free, "10:00" in free) == (False, True)


async def test_neighbours_pass_each_other_and_a_session_stays_one(town: Town) -> None:
    shop = await town.a_shop(service={"capacity": 2})
    clients = [town.somebody() for _ in range(4)]
    starts = ["2027-06-14T10:00-03:00"] * 2 + ["2027-06-14T11:00-03:00"] * 2
    for start, client in zip(starts, clients, strict=True):
        await booked_by_other_rules(shop, start, client)
    await shop.offers("Larga", 60)
    await booked_by_other_rules(
        shop, "2027-06-14T12:00-03:00", town.somebody(), service_id=shop.services["Larga"]
    )
    await follow(town)
    rows = await town.rows(
        "SELECT starts_at, seat, overbooked FROM appointments WHERE business_id = $1 ORDER BY 1, 2",
        UUID(shop.id),
    )
    assert [(f"{row.starts_at:%H:%M}", row.seat) for row in rows] == [
        ("12:00", 1),
        ("12:00", 2),
        ("13:00", 1),
        ("13:00", 2),
        ("14:00", 1),
    ]
    assert not any(row.overbooked for row in rows)
    assert await overlaps(shop) == 0
    assert {slot["remaining"] for slot in await shop.slots("2027-06-14")} == {2}


async def test_two_that_meet_by_the_new_rules_both_take_place(town: Town) -> None:
    shop, client, other = await town.a_shop(), town.somebody(), town.somebody()
    stays = await shop.booked("2027-06-14T09:00-03:00", other)
    comes = await booked_by_other_rules(shop, "2027-06-14T10:00-03:00", client)
    await follow(town)
    assert (await town.read(stays, other))["overbook"] is False
    beside = await town.read(comes, client)
    assert (beside["status"], beside["starts_at"], beside["overbook"]) == (
        "confirmed",
        "2027-06-14T09:00:00-03:00",
        True,
    )


async def test_a_request_lapses_at_its_new_start_and_what_is_over_stays(town: Town) -> None:
    shop, client = await town.a_shop(confirmation="manual"), town.somebody()
    over = await booked_by_other_rules(shop, "2027-06-10T10:00-03:00", client)
    await town.act(over, "confirm", shop.owner)
    request = await booked_by_other_rules(shop, "2027-06-10T16:00-03:00", client)
    town.set_clock("2027-06-10T13:30Z")
    await follow(town)
    assert (await town.read(over, client))["starts_at"] == over["starts_at"]
    assert (await town.read(request, client))["expires_at"] == "2027-06-10T15:00:00-03:00"
    assert "ScheduleRequested" in await town.told_names(request)


async def test_a_new_zone_is_no_new_rule(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked("2027-06-14T10:00-03:00", client)
    await shop.owned("PATCH", "", {"timezone": "America/Santiago", "on_conflict": "keep"})
    await follow(town)
    seen = await town.read(turno, client)
    assert seen["starts_at"] == "2027-06-14T09:00:00-04:00"
    assert [line["what"] for line in seen["history"]] == ["booked"]


async def test_more_businesses_than_a_page_are_all_looked_at(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("turnosya.services.turnos.zone_rules._PAGE", 1)
    await town.a_shop()  # one that comes before
    shop, client = await town.a_shop(), town.somebody()
    turno = await booked_by_other_rules(shop, "2027-06-14T10:00-03:00", client)
    last_before = max(
        row.id for row in await town.rows("SELECT id FROM businesses WHERE id < $1", UUID(shop.id))
    )
    await town.stage.bus.call(FollowZoneRules(after=UUID(str(last_before))))
    assert (await town.read(turno, client))["starts_at"][11:16] == "09:00"
    assert timedelta(seconds=-10800) == timedelta(
        seconds=(
            await town.rows("SELECT utc_offset_s AS s FROM appointments WHERE id = $1", UUID(turno["id"]))
        )[0].s
    )
