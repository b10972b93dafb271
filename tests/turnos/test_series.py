"""The same time every week, as one order (R3, R9)."""

import pytest

from tests.turnos.test_never_twice import overlaps
from tests.turnos.town import Town, all_at_once, codes, refusal, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T10:00:00-03:00"
WEEKLY = {"every_weeks": 1, "count": 4}
TUESDAY_TEN = "2027-06-15T10:00:00-03:00"


async def test_case_10_a_series_keeps_the_wall_clock_across_a_clock_change(town: Town) -> None:
    town.set_clock("2027-08-10T12:00Z")
    shop, client = await town.a_shop(weekly("7", "09:00-18:00"), zone="America/Santiago"), town.somebody()
    made = await shop.booked("2027-08-29T14:00Z", client, repeat={"every_weeks": 1, "count": 3})
    assert set(made) == {"series_id", "items", "refused"}
    assert [item["starts_at"] for item in made["items"]] == [
        "2027-08-29T10:00:00-04:00",
        "2027-09-05T10:00:00-03:00",
        "2027-09-12T10:00:00-03:00",
    ]
    assert made["refused"] == []
    assert [(item["series_id"], item["shifted_by_dst"]) for item in made["items"]] == [
        (made["series_id"], False)
    ] * 3
    for item in made["items"]:
        assert await town.read(item, client) == item
        assert await town.told_names(item) == ["AppointmentBooked"]


async def test_a_wall_time_that_does_not_exist_lands_later_and_says_so(town: Town) -> None:
    town.set_clock("2027-08-10T12:00Z")
    shop = await town.a_shop(weekly("7", "00:00-03:00"), zone="America/Santiago")
    made = await shop.booked("2027-08-29T04:30Z", repeat={"every_weeks": 1, "count": 3})
    assert [(item["starts_at"][11:], item["shifted_by_dst"]) for item in made["items"]] == [
        ("00:30:00-04:00", False),
        ("01:30:00-03:00", True),
        ("00:30:00-03:00", False),
    ]


async def test_all_or_none(town: Town) -> None:
    shop, client = await town.a_shop(max_days_ahead=30), town.somebody()
    await shop.booked("2027-06-28T10:00-03:00")
    answer = await shop.book(MONDAY_TEN, client, repeat={"every_weeks": 1, "count": 6})
    assert refusal(answer) == "409 slot_taken holiday"
    assert answer.json()["refused"] == [
        {"starts_at": "2027-06-21T10:00:00-03:00", "reason": "holiday"},
        {"starts_at": "2027-06-28T10:00:00-03:00", "reason": "taken"},
        {"starts_at": "2027-07-12T10:00:00-03:00", "reason": "too_far"},
        {"starts_at": "2027-07-19T10:00:00-03:00", "reason": "too_far"},
    ]
    free = await shop.starts("2027-06-14")
    assert "10:00" in free


async def test_what_is_free_if_the_client_says_so(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    await shop.booked("2027-06-28T10:00-03:00")
    made = await shop.booked(MONDAY_TEN, client, repeat={**WEEKLY, "allow_partial": True})
    assert [item["starts_at"][:10] for item in made["items"]] == ["2027-06-14", "2027-07-05"]
    assert made["refused"] == [
        {"starts_at": "2027-06-21T10:00:00-03:00", "reason": "holiday"},
        {"starts_at": "2027-06-28T10:00:00-03:00", "reason": "taken"},
    ]
    nothing = await shop.book(MONDAY_TEN, repeat={"every_weeks": 1, "count": 3, "allow_partial": True})
    assert [one["reason"] for one in nothing.json()["refused"]] == ["taken", "holiday", "taken"]
    assert refusal(nothing) == "409 slot_taken taken"


async def test_every_other_week_with_one_member_who_is_asked_for(town: Town) -> None:
    shop = await town.a_shop()
    beto = await shop.employs("Beto")
    made = await shop.booked(MONDAY_TEN, staff_id=beto, repeat={"every_weeks": 2, "count": 3})
    assert {item["staff_id"] for item in made["items"]} == {beto}
    assert [item["starts_at"][:10] for item in made["items"]] == ["2027-06-14", "2027-06-28", "2027-07-12"]


async def test_ones_own_hold_becomes_the_first(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    hold = (await shop.hold(MONDAY_TEN, client)).json()
    made = await shop.booked(MONDAY_TEN, client, hold_id=hold["id"], repeat={"every_weeks": 2, "count": 2})
    assert [item["hold_id"] for item in made["items"]] == [hold["id"], None]
    rows = await town.rows("SELECT status FROM appointments WHERE client_id = $1", client.id)
    assert sorted(row.status for row in rows) == ["confirmed", "confirmed"]


async def test_by_hand_each_is_a_request_of_its_own(town: Town) -> None:
    shop = await town.a_shop(confirmation="manual")
    made = await shop.booked(MONDAY_TEN, repeat={"every_weeks": 2, "count": 2})
    assert [item["status"] for item in made["items"]] == ["pending", "pending"]
    assert all(item["expires_at"] for item in made["items"])


async def test_one_key_is_one_series_and_many_series_never_overlap(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    same = [shop.book(TUESDAY_TEN, client, key="s", repeat=WEEKLY) for _ in range(5)]
    others = [shop.book(TUESDAY_TEN, repeat=WEEKLY) for _ in range(5)]
    others += [shop.book("2027-06-29T10:00-03:00", repeat=WEEKLY) for _ in range(5)]
    answers = await all_at_once(*same, *others)
    assert {answer.status_code for answer in answers} <= {201, 409}, codes(answers)
    assert await overlaps(shop) == 0
    won = [answer.json()["series_id"] for answer in answers if answer.status_code == 201]
    assert len(set(won)) == 1
    rows = await town.rows("SELECT count(*) AS n FROM appointments WHERE series_id = $1", won[0])
    assert rows[0].n == 4


@pytest.mark.parametrize(
    ("repeat", "field"),
    [
        ({"every_weeks": 0, "count": 2}, "repeat.every_weeks"),
        ({"every_weeks": 1, "count": 0}, "repeat.count"),
        ({"every_weeks": 1, "count": 1000}, "repeat.count"),
        ({"every_weeks": 1}, "repeat.count"),
        ({"every_weeks": "1", "count": 2}, "repeat.every_weeks"),
        ({"every_weeks": 1, "count": 2, "until": "2027-06-14"}, "repeat.until"),
    ],
)
async def test_a_wrong_repeat_names_its_field(town: Town, repeat: dict[str, object], field: str) -> None:
    shop = await town.a_shop()
    answer = await shop.book(MONDAY_TEN, repeat=repeat)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
