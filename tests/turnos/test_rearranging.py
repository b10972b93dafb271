"""A day that goes otherwise: the rest of it shifted, two swapped, a member's day handed over."""

from collections import Counter

import httpx
import pytest

from tests.turnos.closings import F1, MONDAY, Day, a_day
from tests.turnos.test_never_twice import overlaps
from tests.turnos.town import Json, Someone, Town, all_at_once, refusal, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def asks(
    day: Day, what: str, body: Json, *, by: Someone | None = None, key: str | None = None
) -> httpx.Response:
    path = f"businesses/{day.shop.id}/agenda/{what}"
    return await day.town.post(path, body, by or day.shop.owner, key=key)


async def done(day: Day, what: str, body: Json) -> Json:
    answer = await asks(day, what, body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def starts(day: Day, names: str) -> list[str]:
    return [(await day.turno(name))["starts_at"][11:16] for name in names]


async def told_of_moves(day: Day) -> Counter[str]:
    """How often each was told that they moved, and how often the owner was told of all of it."""
    told = Counter({name: (await day.told_names(name)).count("AppointmentMoved") for name in day.turnos})
    summaries = [one for one in day.town.heard if type(one).__name__ == "AgendaRearranged"]
    told["owner"] = sum(str(one.business_id) == day.shop.id for one in summaries)  # type: ignore[attr-defined]
    return +told


async def test_the_rest_of_today_moves_by_some_minutes_and_each_is_told_once(town: Town) -> None:
    day = await a_day(town)
    town.set_clock("2027-06-14T12:05Z")
    draft = await done(day, "shift", {"minutes": 20, "dry_run": True})
    assert await starts(day, "abcdef") == list(F1.values())

    shifted = await done(day, "shift", {"minutes": 20, "reason": "Se cortó la luz"})
    assert shifted["moved"] == draft["moved"]
    assert (draft["dry_run"], shifted["dry_run"], shifted["kept"]) == (True, False, [])
    assert await starts(day, "abcdef") == ["09:00", "09:50", "10:20", "11:20", "15:20", "17:20"]
    first = shifted["moved"][0]
    assert (first["previous_starts_at"], first["starts_at"]) == (
        f"{MONDAY}T09:30:00-03:00",
        f"{MONDAY}T09:50:00-03:00",
    )
    moved = await day.turno("b")
    assert moved["status"] == "confirmed"
    assert moved["history"][-1] | {"at": ""} == {
        "at": "",
        "actor_id": str(day.shop.owner.id),
        "what": "moved",
        "reason": "Se cortó la luz",
    }
    assert await told_of_moves(day) == Counter("bcdef") + Counter(["owner"])
    assert await day.no_overlap()


async def test_what_does_not_fit_is_listed_and_nobody_moves_unless_the_owner_forces_it(town: Town) -> None:
    day = await a_day(town)
    body = {"minutes": 60, "from": f"{MONDAY}T11:00-03:00"}
    late = await asks(day, "shift", body)
    assert refusal(late) == "409 slot_taken closed"
    assert late.json()["refused"] == [
        {
            "appointment_id": day.turnos["f"]["id"],
            "starts_at": f"{MONDAY}T17:00:00-03:00",
            "reason": "closed",
        }
    ]
    early = await asks(day, "shift", {**body, "minutes": -30})
    assert refusal(early) == "409 slot_taken taken"
    assert [one["appointment_id"] for one in early.json()["refused"]] == [day.turnos["d"]["id"]]
    assert await starts(day, "abcdef") == list(F1.values())
    assert await told_of_moves(day) == Counter()

    await done(day, "shift", {**body, "force": True})
    assert await starts(day, "abcdef") == ["09:00", "09:30", "10:00", "12:00", "16:00", "18:00"]
    town.set_clock("2027-06-14T15:30Z")
    back = await asks(day, "shift", {"minutes": -60, "from": f"{MONDAY}T12:00-03:00"})
    assert [one["reason"] for one in back.json()["refused"]] == ["past"]


async def test_one_key_is_one_shift_however_often_it_comes(town: Town) -> None:
    day = await a_day(town)
    body = {"minutes": 10, "from": f"{MONDAY}T00:00-03:00"}
    answers = await all_at_once(*(asks(day, "shift", body, key="late") for _ in range(5)))
    assert [one.status_code for one in answers] == [200] * 5
    assert all(one.json() == answers[0].json() for one in answers)
    assert await starts(day, "af") == ["09:10", "17:10"]
    assert await told_of_moves(day) == Counter("abcdef") + Counter(["owner"])


async def test_a_night_belongs_to_the_day_on_which_it_opens_and_a_session_stays_together(town: Town) -> None:
    shop = await town.a_shop(weekly("1-7", "20:00-03:00"), service={"capacity": 3})
    beto = await shop.employs("Beto")
    day = Day(shop)
    for name, start in {"x": "22:00", "y": "22:00", "z": "22:00"}.items():
        await day.books(name, start)
    night = {"n": f"{MONDAY[:-2]}15T01:00-03:00", "m": f"{MONDAY[:-2]}15T21:00-03:00"}
    for name, start in night.items():
        day.clients[name] = town.somebody()
        day.turnos[name] = await shop.booked(start, day.clients[name], staff_id=shop.ana)
    day.clients["o"] = town.somebody()
    day.turnos["o"] = await shop.booked(f"{MONDAY}T23:00-03:00", day.clients["o"], staff_id=beto)

    town.set_clock("2027-06-15T00:30Z")
    shifted = await done(day, "shift", {"minutes": 45, "staff_id": shop.ana})
    assert len(shifted["moved"]) in {1, 2, 3, 4}
    assert await starts(day, "nmo") == ["01:45", "21:00", "23:00"]
    seated = await town.rows(
        "SELECT seat, staff_id::text FROM appointments WHERE business_id = $1 AND starts_on = '2027-06-14'"
        " AND staff_id = $2 ORDER BY seat",
        shop.id,
        shop.ana,
    )
    assert [row.seat for row in seated] == list(range(1, len(seated) + 1))

    # After midnight, what is left is still that night's.
    town.set_clock("2027-06-15T03:30Z")
    assert len((await done(day, "shift", {"minutes": 15, "staff_id": shop.ana}))["moved"]) == 1
    assert await starts(day, "nm") == ["02:00", "21:00"]
    assert await overlaps(shop) == 0


async def test_two_exchange_their_places_and_neighbours_of_different_lengths_their_order(town: Town) -> None:
    day = await a_day(town)
    await done(day, "swap", {"appointment_ids": [day.turnos["a"]["id"], day.turnos["f"]["id"]]})
    assert await starts(day, "af") == ["17:00", "09:00"]
    await done(day, "swap", {"appointment_ids": [day.turnos["c"]["id"], day.turnos["b"]["id"]]})
    assert await starts(day, "bcd") == ["10:30", "09:30", "11:00"]
    assert await told_of_moves(day) == Counter("abcf") + Counter(["owner", "owner"])

    # The long one does not fit between the short ones.
    refused = await asks(day, "swap", {"appointment_ids": [day.turnos["c"]["id"], day.turnos["d"]["id"]]})
    assert refused.status_code == 200, "behind d nobody stands"
    again = await asks(day, "swap", {"appointment_ids": [day.turnos["f"]["id"], day.turnos["c"]["id"]]})
    assert refusal(again) == "409 slot_taken taken"
    assert await day.no_overlap()

    await town.act(day.turnos["e"], "cancel", day.clients["e"])
    ids = [day.turnos["e"]["id"], day.turnos["a"]["id"]]
    assert refusal(await asks(day, "swap", {"appointment_ids": ids})) == "409 appointment_not_active"
    other = await a_day(town)
    ids = [other.turnos["a"]["id"], day.turnos["a"]["id"]]
    assert refusal(await asks(day, "swap", {"appointment_ids": ids})) == "422 validation_failed"
    assert refusal(await asks(day, "swap", {"appointment_ids": ids[:1] * 2})) == "422 validation_failed"


async def test_members_change_with_a_swap_unless_only_times_are_to_change(town: Town) -> None:
    day = await a_day(town)
    beto = await day.shop.employs("Beto")
    day.clients["g"] = town.somebody()
    day.turnos["g"] = await day.shop.booked(f"{MONDAY}T12:00-03:00", day.clients["g"], staff_id=beto)
    ids = [day.turnos["a"]["id"], day.turnos["g"]["id"]]
    await done(day, "swap", {"appointment_ids": ids, "keep_staff": True})
    assert await starts(day, "ag") == ["12:00", "09:00"]
    assert [(await day.turno(name))["staff_id"] for name in "ag"] == [day.shop.ana, beto]
    await done(day, "swap", {"appointment_ids": ids})
    assert await starts(day, "ag") == ["09:00", "12:00"]
    assert [(await day.turno(name))["staff_id"] for name in "ag"] == [beto, day.shop.ana]


async def test_a_day_is_handed_over_but_for_who_asked_for_that_member_or_does_not_fit(town: Town) -> None:
    day = await a_day(town)
    shop = day.shop
    beto = await shop.employs("Beto")
    long_one = next(one for one in (await shop.owned("GET", "/services"))["items"] if one["name"] == "Color")
    await shop.owned("PATCH", f"/services/{long_one['id']}", {"staff_ids": [shop.ana]})
    await town.copies_are_current(shop)
    for name, start, member in (("g", "12:00", shop.ana), ("h", "13:00", shop.ana), ("i", "15:00", beto)):
        day.clients[name] = town.somebody()
        booked = await shop.booked(f"{MONDAY}T{start}-03:00", day.clients[name], staff_id=member)
        day.turnos[name] = booked
    said = {"staff": "any"}
    path = "/v1/turnos/preferences"
    assert (await town.http.put(path, json=said, headers=day.clients["h"].headers)).status_code == 200

    body = {"date": MONDAY, "staff_id": shop.ana, "to_staff_id": beto, "reason": "Ana está enferma"}
    draft = await done(day, "hand-over", {**body, "dry_run": True})
    handed = await done(day, "hand-over", body)
    assert (handed["moved"], handed["kept"]) == (draft["moved"], draft["kept"])
    names = {turno["id"]: name for name, turno in day.turnos.items()}
    assert {names[one["appointment_id"]]: one["reason"] for one in handed["kept"]} == {
        "c": "staff_not_qualified",
        "e": "taken",
        "g": "asked_for_member",
    }
    assert [names[one["appointment_id"]] for one in handed["moved"]] == ["a", "b", "d", "h", "f"]
    for name in "abdfh":
        before, after = day.turnos[name], await day.turno(name)
        assert after["staff_id"] == beto
        for field in ("starts_at", "ends_at", "price", "status"):
            assert after[field] == before[field]
    assert await told_of_moves(day) == Counter("abdfh") + Counter(["owner"])
    assert (await done(day, "hand-over", body))["moved"] == []
    assert await overlaps(shop) == 0


async def test_only_who_runs_the_business_may_and_only_with_its_own_members(town: Town) -> None:
    day = await a_day(town)
    staff, stranger = town.somebody(), town.somebody()
    await day.shop.employs("Beto", user_id=str(staff.id))
    body = {"minutes": 10, "from": f"{MONDAY}T00:00-03:00"}
    for by in (stranger, day.clients["a"]):
        assert refusal(await asks(day, "shift", body, by=by)) == "403 forbidden"
    unknown = {**body, "staff_id": str(stranger.id)}
    assert refusal(await asks(day, "shift", unknown)) == "422 validation_failed"
    assert refusal(await asks(day, "shift", {"minutes": 0})) == "422 validation_failed"
    over = {"date": MONDAY, "staff_id": day.shop.ana, "to_staff_id": str(stranger.id)}
    assert refusal(await asks(day, "hand-over", over)) == "422 validation_failed"
    same = {**over, "to_staff_id": day.shop.ana}
    assert refusal(await asks(day, "hand-over", same)) == "422 validation_failed"
    assert (await asks(day, "shift", body, by=staff)).status_code == 200
    nowhere = await town.post(f"businesses/{stranger.id}/agenda/shift", body, day.shop.owner)
    assert nowhere.status_code == 404


async def test_who_needs_another_time_anyway_and_what_is_held_stand_where_they_are(town: Town) -> None:
    day = await a_day(town)
    await day.closed("15:00", "18:00")
    held = await day.shop.hold(f"{MONDAY}T12:00-03:00", town.somebody())
    assert held.status_code == 201
    shifted = await asks(day, "shift", {"minutes": 60, "from": f"{MONDAY}T11:00-03:00"})
    assert refusal(shifted) == "409 slot_taken held"
    shifted = await asks(day, "shift", {"minutes": 30, "from": f"{MONDAY}T11:00-03:00"})
    assert [one["appointment_id"] for one in shifted.json()["moved"]] == [day.turnos["d"]["id"]]
    ids = [day.turnos["d"]["id"], day.turnos["e"]["id"]]
    assert refusal(await asks(day, "swap", {"appointment_ids": ids})) == "409 appointment_not_active"


async def test_freed_time_goes_to_who_waits_and_many_at_once_leave_no_overlap(town: Town) -> None:
    day = await a_day(town)
    waiting = day.clients["w"] = town.somebody()
    wish = {"business_id": day.shop.id, "service_id": day.shop.cut, "from": MONDAY, "to": MONDAY}
    assert (await town.post("waitlist", wish, waiting)).status_code == 201
    ids = {name: turno["id"] for name, turno in day.turnos.items()}
    await done(day, "shift", {"minutes": 30, "from": f"{MONDAY}T17:00-03:00"})
    assert (await day.proposal("w"))["starts_at"] == f"{MONDAY}T17:00:00-03:00"

    calls = [
        asks(day, "shift", {"minutes": 10, "from": f"{MONDAY}T11:00-03:00", "force": True}),
        asks(day, "swap", {"appointment_ids": [ids["a"], ids["e"]]}),
        asks(day, "swap", {"appointment_ids": [ids["e"], ids["b"]]}),
        *(day.shop.book(f"{MONDAY}T{hour}:00-03:00") for hour in (12, 13, 14, 15)),
        day.closes("13:00", "14:00"),
        *(town.move(day.turnos[name], day.clients[name], f"{MONDAY}T14:30-03:00") for name in "abc"),
    ]
    answers = await all_at_once(*calls)
    assert {one.status_code for one in answers} <= {200, 201, 409, 422}
    assert await overlaps(day.shop) == 0
    assert await day.no_overlap()
