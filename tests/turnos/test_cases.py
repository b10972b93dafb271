"""The cases of ``docs/rules.md`` that are about hours and starts, on the engine itself."""

from datetime import date, timedelta

import pytest

from tests.turnos.calendars import (
    ANA,
    BETO,
    CUT,
    MONDAY,
    at,
    busy,
    calendar,
    every,
    judged,
    local_starts,
    offered,
    on,
    service,
    starts,
)
from tests.turnos.cases import HOURS_CASES, SANTIAGO, TIJUANA, HoursCase
from turnosya.services.turnos.availability import Place, Reason
from turnosya.services.turnos.hours import parse_hours
from turnosya.services.turnos.windows import recurring_start


@pytest.mark.parametrize("case", HOURS_CASES)
def test_hours_offer_the_starts_of_the_table(case: HoursCase) -> None:
    shop = calendar(*every(*case.weekly.split()), step=case.step, zone=case.zone)
    assert starts(offered(shop, service(case.minutes), date.fromisoformat(case.day))) == case.expected


def test_case_3_an_hour_that_happens_twice_is_offered_with_both_offsets() -> None:
    shop = calendar(*every("6", "22:00-24:00"), zone=SANTIAGO, step=60)
    slots = offered(shop, service(60), date(2027, 4, 3))
    offsets = [slot.start_at.astimezone(shop.zone).utcoffset() for slot in slots]
    assert offsets == [timedelta(hours=-3), timedelta(hours=-3), timedelta(hours=-4)]


def test_case_7_the_second_showing_stays_offered_when_the_first_is_booked() -> None:
    shop = calendar(*every("7", "00:00-03:00"), zone=TIJUANA, step=60)
    first = busy("2027-11-07T08:00Z", "2027-11-07T09:00Z", service_id=CUT)
    assert starts(offered(shop, service(60), date(2027, 11, 7), taken=(first,))) == [
        "07:00Z",
        "09:00Z",
        "10:00Z",
    ]


def test_case_10_a_series_keeps_the_wall_clock() -> None:
    zone = calendar(zone=SANTIAGO).zone
    found = [
        recurring_start(zone, day, 600) for day in (date(2027, 8, 29), date(2027, 9, 5), date(2027, 9, 12))
    ]
    assert [f"{start:%H:%M}Z" for start, _ in found] == ["14:00Z", "13:00Z", "13:00Z"]
    assert not any(shifted for _, shifted in found)
    gap_start, shifted = recurring_start(zone, date(2027, 9, 5), 30)
    assert (gap_start, shifted) == (at("2027-09-05T04:30Z"), True)


def test_case_11_a_closed_saturday_leaves_fridays_night_alone() -> None:
    shop = calendar(*every("5", "20:00-02:00"), step=60, overrides=(on(date(2027, 6, 19)),))
    assert len(offered(shop, service(120), date(2027, 6, 18))) == 5
    assert offered(shop, service(120), date(2027, 6, 19)) == []


def test_case_12_a_whole_day() -> None:
    slots = offered(calendar(*every("1", "00:00-24:00"), step=60), service(60), MONDAY)
    assert len(slots) == 24
    assert slots[-1].start_at == at("2027-06-15T02:00Z")


def test_case_13_overrides_of_one_date_unite() -> None:
    shop = calendar(overrides=(on(MONDAY, "09:00-12:00"), on(MONDAY, "11:00-14:00")))
    slots = local_starts(shop, offered(shop, service(), MONDAY))
    assert (len(slots), slots[0], slots[-1]) == (10, "09:00", "13:30")


def test_case_14_closed_wins_over_other_overrides() -> None:
    shop = calendar(overrides=(on(MONDAY), on(MONDAY, "15:00-17:00")))
    assert offered(shop, service(), MONDAY) == []


def test_case_15_two_windows_of_a_day() -> None:
    shop = calendar(*every("1", "09:00-13:00", "14:00-18:00"), step=60)
    assert " ".join(local_starts(shop, offered(shop, service(60), MONDAY))) == (
        "09:00 10:00 11:00 12:00 14:00 15:00 16:00 17:00"
    )


def test_case_16_a_holiday_closes_until_an_override_opens_it() -> None:
    friday = date(2027, 7, 9)
    shop = calendar(country="AR")
    assert offered(shop, service(), friday) == []
    assert judged(shop, service(), "2027-07-09T13:00Z") is Reason.HOLIDAY
    opened = calendar(country="AR", overrides=(on(friday, "09:00-18:00"),))
    assert len(offered(opened, service(), friday)) == 18


def test_case_17_the_last_day_of_the_horizon_is_offered() -> None:
    shop, now = calendar(), "2027-06-10T12:00Z"
    assert len(offered(shop, service(), date(2027, 7, 10), now=now, horizon=30)) == 18
    assert offered(shop, service(), date(2027, 7, 12), now=now, horizon=30) == []
    assert judged(shop, service(), "2027-07-12T13:00Z", now=now, horizon=30) is Reason.TOO_FAR


def test_case_18_notice_is_inclusive() -> None:
    shop, now = calendar(), "2027-06-14T13:10Z"
    assert starts(offered(shop, service(), MONDAY, now=now, notice=120))[0] == "15:30Z"
    assert judged(shop, service(), "2027-06-14T15:00Z", now=now, notice=120) is Reason.TOO_SOON
    assert judged(shop, service(), "2027-06-14T15:00Z", now="2027-06-14T13:00Z", notice=120) == Place(ANA, 1)


def test_case_19_what_has_begun_is_past() -> None:
    shop, now = calendar(), "2027-06-14T12:31Z"
    assert starts(offered(shop, service(), MONDAY, now=now))[0] == "13:00Z"
    assert judged(shop, service(), "2027-06-14T12:30Z", now=now) is Reason.PAST


@pytest.mark.parametrize("hours", ["09:00-09:00", "25:61-26:00", "24:00-25:00", "9:00-10:00", "24:00-10:00"])
def test_case_20_impossible_hours_are_refused(hours: str) -> None:
    with pytest.raises(ValueError, match=r"when it starts|time of day|24:00"):
        parse_hours(*hours.split("-"))


def test_case_21_nothing_reaches_past_closing_time() -> None:
    shop = calendar(*every("1", "09:00-17:00"), step=35)
    slots = local_starts(shop, offered(shop, service(35), MONDAY))
    assert (len(slots), slots[-1]) == (13, "16:00")
    assert judged(shop, service(35), "2027-06-14T16:35-03:00") is Reason.CLOSED


def test_case_22_a_busy_start_is_left_out() -> None:
    shop = calendar(*every("1", "09:00-12:00"))
    taken = (busy("2027-06-14T10:00-03:00", "2027-06-14T10:30-03:00", service_id=CUT),)
    assert " ".join(local_starts(shop, offered(shop, service(), MONDAY, taken=taken))) == (
        "09:00 09:30 10:30 11:00 11:30"
    )


def test_case_23_the_grid_does_not_move_after_a_busy_interval() -> None:
    shop = calendar(*every("1", "09:00-12:00"))
    taken = (busy("2027-06-14T10:15-03:00", "2027-06-14T10:30-03:00"),)
    slots = offered(shop, service(60), MONDAY, taken=taken)
    assert " ".join(local_starts(shop, slots)) == "09:00 10:30 11:00"


def test_case_24_a_buffer_may_reach_past_closing_time() -> None:
    shop = calendar(*every("1", "09:00-17:00"))
    assert local_starts(shop, offered(shop, service(60, after=10), MONDAY))[-1] == "16:00"


def test_case_25_two_free_members_are_one_slot_and_two_bookings() -> None:
    shop, both, ten = calendar(), service(staff=(ANA, BETO)), "2027-06-14T10:00-03:00"
    rows = [slot for slot in offered(shop, both, MONDAY) if slot.start_at == at(ten)]
    assert [(row.staff_id, row.remaining) for row in rows] == [(ANA, 2)]
    assert judged(shop, both, ten) == Place(ANA, 1)
    ana = busy(ten, "2027-06-14T10:30-03:00", service_id=CUT)
    beto = busy(ten, "2027-06-14T10:30-03:00", service_id=CUT, staff_id=BETO)
    assert judged(shop, both, ten, taken=(ana,)) == Place(BETO, 1)
    assert judged(shop, both, ten, taken=(ana, beto)) is Reason.TAKEN


def test_case_26_the_one_who_is_free_gets_it() -> None:
    shop, both, ten = calendar(), service(staff=(ANA, BETO)), "2027-06-14T10:00-03:00"
    taken = (busy(ten, "2027-06-14T10:30-03:00"),)
    rows = [slot for slot in offered(shop, both, MONDAY, taken=taken) if slot.start_at == at(ten)]
    assert [(row.staff_id, row.remaining) for row in rows] == [(BETO, 1)]


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("2027-06-14T10:07-03:00", Reason.OFF_GRID),
        ("2027-06-13T10:00-03:00", Reason.CLOSED),
        ("2027-06-10T10:30-03:00", Reason.TOO_SOON),
        ("2027-10-14T10:00-03:00", Reason.TOO_FAR),
        ("2027-06-09T10:00-03:00", Reason.PAST),
        ("2027-06-14T10:00:00.000001-03:00", Reason.OFF_GRID),
    ],
)
def test_case_35_every_other_instant_has_its_reason(start: str, reason: Reason) -> None:
    found = judged(calendar(), service(), start, now="2027-06-10T12:00Z", notice=120)
    assert found is reason


def test_the_member_with_fewest_turnos_that_day_gets_the_next() -> None:
    shop, both = calendar(), service(staff=(ANA, BETO))
    taken = (busy("2027-06-14T09:00-03:00", "2027-06-14T09:30-03:00"),)
    assert judged(shop, both, "2027-06-14T12:00-03:00", taken=taken) == Place(BETO, 1)
    other_day = (busy("2027-06-15T09:00-03:00", "2027-06-15T09:30-03:00"),)
    assert judged(shop, both, "2027-06-14T12:00-03:00", taken=other_day) == Place(ANA, 1)


def test_a_session_fills_seat_by_seat() -> None:
    shop, yoga, ten, eleven = (
        calendar(),
        service(60, capacity=3),
        "2027-06-14T10:00-03:00",
        "2027-06-14T11:00-03:00",
    )
    taken = tuple(busy(ten, eleven, service_id=CUT, seat=seat) for seat in (1, 3))
    rows = {slot.start_at: slot.remaining for slot in offered(shop, yoga, MONDAY, taken=taken)}
    assert rows[at(ten)] == 1
    assert at("2027-06-14T10:30-03:00") not in rows
    assert rows[at(eleven)] == 3
    assert judged(shop, yoga, ten, taken=taken) == Place(ANA, 2)
    full = (*taken, busy(ten, eleven, service_id=CUT, seat=2))
    assert judged(shop, yoga, ten, taken=full) is Reason.FULL
    assert judged(shop, yoga, "2027-06-14T10:30-03:00", taken=full) is Reason.TAKEN


def test_a_held_time_says_so() -> None:
    ten = "2027-06-14T10:00-03:00"
    hold = busy(ten, "2027-06-14T10:30-03:00", service_id=CUT, is_held=True)
    assert judged(calendar(), service(), ten, taken=(hold,)) is Reason.HELD


def test_a_member_with_own_windows_has_only_those() -> None:
    week = (*every("1-6", "09:00-18:00"), *every("2", "10:00-11:00", staff_id=ANA))
    shop = calendar(*week)
    assert offered(shop, service(), MONDAY) == []
    assert local_starts(shop, offered(shop, service(), date(2027, 6, 15))) == [
        "10:00",
        "10:30",
    ]
    assert len(offered(shop, service(staff=(BETO,)), MONDAY)) == 18
    opened = calendar(*week, overrides=(on(MONDAY, "09:00-10:00"),))
    assert offered(opened, service(), MONDAY) == []


def test_an_override_of_a_member_is_only_theirs_and_a_general_closed_wins() -> None:
    shop = calendar(overrides=(on(MONDAY, "20:00-21:00", staff_id=ANA),))
    assert local_starts(shop, offered(shop, service(), MONDAY)) == ["20:00", "20:30"]
    assert len(offered(shop, service(staff=(BETO,)), MONDAY)) == 18
    closed = calendar(overrides=(on(MONDAY, "20:00-21:00", staff_id=ANA), on(MONDAY)))
    assert offered(closed, service(staff=(ANA, BETO)), MONDAY) == []


def test_windows_of_two_days_are_never_united() -> None:
    shop = calendar(*every("1", "20:00-02:00"), *every("2", "00:15-03:00"), step=60)
    monday, tuesday = MONDAY, MONDAY + timedelta(days=1)
    assert " ".join(local_starts(shop, offered(shop, service(60), monday, tuesday))) == (
        "20:00 21:00 22:00 23:00 00:00 00:15 01:00 01:15"
    )
