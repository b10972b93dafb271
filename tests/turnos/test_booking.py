"""A client books: what the turno looks like, and the cases of ``docs/rules.md`` through HTTP."""

import pytest

from tests.turnos.town import Town, refusal, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_client_books_and_sees_every_field(town: Town) -> None:
    price = {"amount": 1_500_000, "currency": "ARS"}
    shop, client = await town.a_shop(service={"price": price}), town.somebody()
    turno = await shop.booked("2027-06-14T12:00:00Z", client, note="Corto 👍")
    at = "2027-06-10T09:00:00-03:00"
    assert turno == {
        "id": turno["id"],
        "status": "confirmed",
        "business_id": shop.id,
        "service_id": shop.cut,
        "service_ids": None,
        "staff_id": shop.ana,
        "client_id": str(client.id),
        "client": {"user_id": str(client.id), "name": None, "phone": None},
        "starts_at": "2027-06-14T09:00:00-03:00",
        "ends_at": "2027-06-14T09:30:00-03:00",
        "price": price,
        "note": "Corto 👍",
        "hold_id": None,
        "overbook": False,
        "expires_at": None,
        "created_at": at,
        "series_id": None,
        "shifted_by_dst": False,
        "history": [{"at": at, "actor_id": str(client.id), "what": "booked", "reason": None}],
    }
    assert await town.read(turno, client) == turno == await town.read(turno, shop.owner)
    assert await town.told_names(turno) == ["AppointmentBooked"]


@pytest.mark.parametrize(
    ("starts_at", "refused"),
    [
        pytest.param("2027-06-14T13:07Z", "422 slot_unavailable off_grid", id="10:07"),
        pytest.param("2027-06-13T13:00Z", "422 slot_unavailable closed", id="Sunday"),
        pytest.param("2027-06-10T12:30Z", "422 slot_unavailable too_soon", id="inside notice"),
        pytest.param("2027-09-20T13:00Z", "422 slot_unavailable too_far", id="beyond horizon"),
        pytest.param("2027-06-09T13:00Z", "422 slot_unavailable past", id="yesterday"),
        pytest.param("2027-06-09T13:07Z", "422 slot_unavailable past", id="yesterday, off grid"),
        pytest.param("2027-07-09T13:00Z", "422 slot_unavailable holiday", id="16: a holiday"),
        pytest.param("8999-06-14T13:00Z", "422 slot_unavailable too_far", id="a far year"),
    ],
)
async def test_case_35_what_is_not_offered_says_why(town: Town, starts_at: str, refused: str) -> None:
    shop = await town.a_shop(min_notice_minutes=60)
    assert refusal(await shop.book(starts_at)) == refused


async def test_reasons_come_in_the_order_of_r15(town: Town) -> None:
    shop = await town.a_shop(min_notice_minutes=60)
    beto = await shop.employs("Beto")
    await shop.offers("Color", staff_ids=[beto], active=False)

    async def refused(starts_at: str) -> str:
        return refusal(await shop.book(starts_at, service_id=shop.services["Color"], staff_id=shop.ana))

    assert await refused("2027-06-10T12:07Z") == "422 slot_unavailable too_soon"
    assert await refused("2027-06-13T13:07Z") == "422 slot_unavailable service_inactive"
    await shop.owned("PATCH", f"/services/{shop.services['Color']}", {"active": True})
    await town.copies_are_current(shop)
    assert await refused("2027-07-09T13:07Z") == "422 slot_unavailable staff_not_qualified"
    assert refusal(await shop.book("2027-07-09T13:07Z")) == "422 slot_unavailable holiday"
    await shop.booked("2027-06-14T13:00Z", staff_id=shop.ana)
    assert refusal(await shop.book("2027-06-14T13:07Z", staff_id=shop.ana)) == "422 slot_unavailable off_grid"
    assert refusal(await shop.book("2027-06-14T13:00Z", staff_id=shop.ana)) == "409 slot_taken taken"


async def test_case_1_midnight_that_does_not_exist(town: Town) -> None:
    town.set_clock("2027-08-06T12:00Z")
    shop = await town.a_shop(
        weekly("7", "00:00-03:00"), minutes=60, slot_step_minutes=60, zone="America/Santiago"
    )
    slots = await shop.slots("2027-09-05")
    assert [slot["starts_at"] for slot in slots] == ["2027-09-05T01:00:00-03:00", "2027-09-05T02:00:00-03:00"]


async def test_case_3_an_hour_that_happens_twice(town: Town) -> None:
    town.set_clock("2027-03-05T12:00Z")
    shop = await town.a_shop(
        weekly("6", "22:00-24:00"), minutes=60, slot_step_minutes=60, zone="America/Santiago"
    )
    slots = await shop.slots("2027-04-03")
    assert [slot["starts_at"] for slot in slots] == [
        "2027-04-03T22:00:00-03:00",
        "2027-04-03T23:00:00-03:00",
        "2027-04-03T23:00:00-04:00",
    ]
    turno = await shop.booked(slots[2]["starts_at"])
    assert (turno["starts_at"], turno["ends_at"]) == (
        "2027-04-03T23:00:00-04:00",
        "2027-04-04T00:00:00-04:00",
    )
    assert len(await shop.slots("2027-04-03")) == 2


async def test_case_6_hours_inside_the_gap(town: Town) -> None:
    town.set_clock("2027-02-12T12:00Z")
    assert (
        await (await town.a_shop(weekly("7", "02:00-02:30"), zone="America/Tijuana")).slots("2027-03-14")
        == []
    )


async def test_case_7_the_second_of_two_hours_stays_free(town: Town) -> None:
    town.set_clock("2027-10-08T12:00Z")
    shop = await town.a_shop(
        weekly("7", "00:00-03:00"), minutes=60, slot_step_minutes=60, zone="America/Tijuana"
    )
    assert len(await shop.slots("2027-11-07")) == 4
    await shop.booked("2027-11-07T08:00Z")
    assert await shop.starts("2027-11-07") == ["00:00", "01:00", "02:00"]


async def test_case_11_a_night_belongs_to_the_day_on_which_it_begins(town: Town) -> None:
    shop = await town.a_shop(weekly("5", "20:00-02:00"), minutes=120, slot_step_minutes=60)
    assert await shop.starts("2027-06-18") == ["20:00", "21:00", "22:00", "23:00", "00:00"]
    assert (await shop.override("2027-06-19")).status_code == 201
    assert len(await shop.starts("2027-06-18")) == 5
    assert (await shop.booked("2027-06-19T03:00Z"))["starts_at"] == "2027-06-19T00:00:00-03:00"


async def test_case_12_a_whole_day(town: Town) -> None:
    shop = await town.a_shop(weekly("1", "00:00-24:00"), minutes=60, slot_step_minutes=60)
    starts = await shop.starts("2027-06-14")
    assert (len(starts), starts[-1]) == (24, "23:00")


async def test_case_13_overrides_unite_and_14_closed_wins(town: Town) -> None:
    shop = await town.a_shop()
    await shop.override("2027-06-14", "09:00-12:00")
    await shop.override("2027-06-14", "11:00-14:00")
    starts = await shop.starts("2027-06-14")
    assert (len(starts), starts[0], starts[-1]) == (10, "09:00", "13:30")
    await shop.override("2027-06-14")
    assert await shop.starts("2027-06-14") == []


async def test_case_16_a_holiday_is_opened_by_an_override(town: Town) -> None:
    shop = await town.a_shop()
    assert await shop.slots("2027-07-09") == []
    await shop.override("2027-07-09", "09:00-18:00")
    assert len(await shop.slots("2027-07-09")) == 18
    await shop.booked("2027-07-09T13:00Z")


async def test_case_17_the_horizon(town: Town) -> None:
    shop = await town.a_shop(max_days_ahead=30)
    assert len(await shop.slots("2027-07-10", "2027-07-12")) == 18
    await shop.booked("2027-07-10T13:00Z")
    assert refusal(await shop.book("2027-07-12T13:00Z")) == "422 slot_unavailable too_far"


async def test_case_18_the_notice_is_inclusive(town: Town) -> None:
    shop = await town.a_shop(min_notice_minutes=120)
    town.set_clock("2027-06-14T13:10Z")
    assert (await shop.starts("2027-06-14"))[0] == "12:30"
    assert refusal(await shop.book("2027-06-14T15:00Z")) == "422 slot_unavailable too_soon"
    town.set_clock("2027-06-14T13:00Z")
    await shop.booked("2027-06-14T15:00Z")


async def test_case_19_the_past(town: Town) -> None:
    shop = await town.a_shop()
    town.set_clock("2027-06-14T12:31Z")
    assert (await shop.starts("2027-06-14"))[0] == "10:00"
    assert refusal(await shop.book("2027-06-14T12:30Z")) == "422 slot_unavailable past"


async def test_cases_22_and_23_around_what_is_taken(town: Town) -> None:
    shop = await town.a_shop(weekly("1-6", "09:00-12:00"))
    await shop.offers("Barba", 60)
    await shop.offers("Ceja", 15)
    await shop.booked("2027-06-14T13:00Z")
    assert await shop.starts("2027-06-14") == ["09:00", "09:30", "10:30", "11:00", "11:30"]
    done = await shop.sets("2027-06-15T13:15Z", service_id=shop.services["Ceja"], force=True)
    assert done.status_code == 201
    assert await shop.starts("2027-06-15", service="Barba") == ["09:00", "10:30", "11:00"]


async def test_case_24_buffers_may_fall_outside_opening_hours(town: Town) -> None:
    shop = await town.a_shop(
        weekly("1-6", "09:00-17:00"), minutes=60, service={"buffer_after_minutes": 10}, slot_step_minutes=60
    )
    assert (await shop.starts("2027-06-14"))[-1] == "16:00"
    await shop.booked("2027-06-14T14:00Z")
    assert await shop.starts("2027-06-14") == ["09:00", "13:00", "14:00", "15:00", "16:00"]


async def test_case_25_any_member_until_nobody_is_left(town: Town) -> None:
    shop = await town.a_shop()
    beto = await shop.employs("Beto")
    slots = [slot for slot in await shop.slots("2027-06-14") if slot["starts_at"][11:16] == "10:00"]
    assert [slot["remaining"] for slot in slots] == [2]
    first, second = await shop.booked("2027-06-14T13:00Z"), await shop.booked("2027-06-14T13:00Z")
    assert first["staff_id"] == slots[0]["staff_id"]
    assert {first["staff_id"], second["staff_id"]} == {shop.ana, beto}
    assert refusal(await shop.book("2027-06-14T13:00Z")) == "409 slot_taken taken"


async def test_case_26_the_member_who_is_free(town: Town) -> None:
    shop = await town.a_shop()
    beto = await shop.employs("Beto")
    await shop.booked("2027-06-14T13:00Z", staff_id=shop.ana)
    slots = [slot for slot in await shop.slots("2027-06-14") if slot["starts_at"][11:16] == "10:00"]
    assert [(slot["staff_id"], slot["remaining"]) for slot in slots] == [(beto, 1)]
    assert (await shop.booked("2027-06-14T13:00Z"))["staff_id"] == beto


async def test_any_member_is_the_one_with_fewest_turnos_that_day(town: Town) -> None:
    shop = await town.a_shop()
    beto = await shop.employs("Beto")
    await shop.booked("2027-06-14T20:00Z", staff_id=shop.ana)
    await shop.booked("2027-06-14T13:00Z", staff_id=beto)
    await shop.booked("2027-06-14T14:00Z", staff_id=beto)
    assert (await shop.booked("2027-06-14T12:00Z"))["staff_id"] == shop.ana
    assert (await shop.booked("2027-06-15T12:00Z"))["staff_id"] == min(shop.ana, beto)


async def test_case_33_a_cancelled_time_is_free_and_its_row_is_kept(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    first = await shop.booked("2027-06-14T13:00Z", client)
    assert (await town.act(first, "cancel", client)).status_code == 200
    second = await shop.booked("2027-06-14T13:00Z")
    assert second["id"] != first["id"]
    assert (await town.read(first, client))["status"] == "cancelled"


async def test_several_services_in_a_row_are_one_turno(town: Town) -> None:
    price = {"amount": 500, "currency": "ARS"}
    shop = await town.a_shop(service={"price": price, "buffer_before_minutes": 5})
    beard = await shop.offers("Barba", 60, price=price, buffer_before_minutes=30)
    turno = await shop.booked("2027-06-14T13:00Z", service_id=..., service_ids=[shop.cut, beard])
    assert (turno["ends_at"], turno["price"]["amount"]) == ("2027-06-14T11:30:00-03:00", 1000)
    assert (turno["service_id"], turno["service_ids"]) == (shop.cut, [shop.cut, beard])
    starts = await shop.starts("2027-06-14")
    # 09:30 would run into the first one's buffer, and at 11:30 it would need its own.
    assert [start for start in starts if start < "12:30"] == ["09:00", "12:00"]


async def test_one_client_has_no_two_turnos_at_once_in_one_business(town: Town) -> None:
    shop, other, client = await town.a_shop(), await town.a_shop(), town.somebody()
    beto = await shop.employs("Beto")
    await shop.booked("2027-06-14T13:00Z", client, staff_id=shop.ana)
    again = await shop.book("2027-06-14T13:00Z", client, staff_id=beto)
    assert refusal(again) == "409 slot_taken client_busy"
    await shop.booked("2027-06-14T13:30Z", client, staff_id=beto)
    await other.booked("2027-06-14T13:00Z", client)


async def test_what_was_sold_stays_as_sold(town: Town) -> None:
    shop, client = await town.a_shop(service={"price": {"amount": 100, "currency": "ARS"}}), town.somebody()
    turno = await shop.booked("2027-06-14T13:00Z", client)
    await shop.owned(
        "PATCH",
        f"/services/{shop.cut}",
        {"duration_minutes": 60, "price": None, "buffer_before_minutes": 30},
    )
    await shop.schedule(weekly("1-6", "09:00-18:00"), cancellation_notice_minutes=60 * 24 * 30)
    await town.copies_are_current(shop)
    assert await town.read(turno, client) == turno
    assert "09:00" in await shop.starts("2027-06-14", service="Corte")
    assert (await town.act(turno, "cancel", client)).status_code == 200
    late = await shop.booked("2027-06-14T13:00Z", client)
    assert (late["price"], late["ends_at"][11:16]) == (None, "11:00")
    assert refusal(await town.act(late, "cancel", client)) == "403 cancellation_window_closed"


async def test_members_with_hours_of_their_own_have_only_those(town: Town) -> None:
    shop = await town.a_shop()
    beto = await shop.employs("Beto")
    own = weekly("1", "12:00-13:00", staff_id=beto)
    assert (await shop.schedule(weekly("1-6", "09:00-18:00") + own)).status_code == 200
    assert await shop.starts("2027-06-14", staff_id=beto) == ["12:00", "12:30"]
    assert await shop.starts("2027-06-15", staff_id=beto) == []
    assert len(await shop.starts("2027-06-15")) == 18


async def test_what_is_taken_two_nights_later_is_seen_from_the_day_that_opens(town: Town) -> None:
    # Friday's window ends on Saturday at 22:00, its buffer on Sunday at 22:00, which is Monday in UTC.
    shop = await town.a_shop(
        weekly("5", "23:00-22:00"), minutes=60, service={"buffer_after_minutes": 1440}, slot_step_minutes=60
    )
    await shop.offers("Barba", 30)
    last = (await shop.slots("2027-06-18"))[-1]["starts_at"]
    assert last == "2027-06-19T21:00:00-03:00"
    await shop.sets("2027-06-20T21:30:00-03:00", service_id=shop.services["Barba"], force=True)
    assert refusal(await shop.book(last)) == "409 slot_taken taken"
    assert last not in [slot["starts_at"] for slot in await shop.slots("2027-06-18")]
