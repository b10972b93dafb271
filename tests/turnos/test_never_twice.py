"""Many at once want the same: nobody gets what another has, and nobody sees anything but an answer (R9)."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, TextClause, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.turnos.town import Json, Shop, Someone, Town, all_at_once, codes, refusal, weekly
from turnosya.runtime import direct, idempotency
from turnosya.services.turnos.store import seats

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"

OVERLAPS = """
    SELECT count(*) AS n FROM appointments AS a JOIN appointments AS b ON a.id < b.id
    WHERE a.status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT a.overbooked
      AND b.status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT b.overbooked
      AND a.business_id = $1 AND b.business_id = $1
      AND (a.staff_id = b.staff_id AND (a.session_id <> b.session_id OR a.seat = b.seat)
             AND a.busy_from < b.busy_to AND b.busy_from < a.busy_to
           OR a.client_id = b.client_id AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at)
"""


async def overlaps(shop: Shop) -> int:
    """Pairs of turnos of one business that cannot both take place."""
    return int((await shop.town.rows(OVERLAPS, UUID(shop.id)))[0].n)


async def test_case_28_fifty_clients_want_one_slot_and_one_gets_it(town: Town) -> None:
    shop = await town.a_shop()
    answers = await all_at_once(*(shop.book(MONDAY_TEN) for _ in range(50)))
    assert Counter(codes(answers)) == {"201": 1, "409 slot_taken taken": 49}
    won = next(answer.json() for answer in answers if answer.status_code == 201)
    rows = await town.rows("SELECT count(*) AS n FROM appointments WHERE business_id = $1", UUID(shop.id))
    assert rows[0].n == 1
    assert await town.told_names(won) == ["AppointmentBooked"]


async def test_case_29_two_services_of_one_member_that_overlap(town: Town) -> None:
    shop = await town.a_shop()
    other = await shop.offers("Barba", 60)
    calls = [
        shop.book("2027-06-14T12:30Z", service_id=other) if i % 2 else shop.book(MONDAY_TEN)
        for i in range(50)
    ]
    assert Counter(codes(await all_at_once(*calls))) == {"201": 1, "409 slot_taken taken": 49}


async def test_case_30_four_seats_go_to_four(town: Town) -> None:
    shop = await town.a_shop(service={"capacity": 4})
    answers = await all_at_once(*(shop.book(MONDAY_TEN) for _ in range(50)))
    assert Counter(codes(answers)) == {"201": 4, "409 slot_taken full": 46}
    rows = await town.rows("SELECT seat FROM appointments WHERE business_id = $1", UUID(shop.id))
    assert sorted(row.seat for row in rows) == [1, 2, 3, 4]


async def test_case_31_one_key_in_parallel_is_one_turno(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    answers = await all_at_once(*(shop.book(MONDAY_TEN, client, key="k-1") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert all(answer.json() == answers[0].json() for answer in answers)
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert Counter(replayed) == {None: 1, "true": 9}
    assert await town.told_names(answers[0].json()) == ["AppointmentBooked"]


async def test_a_key_with_another_body_is_refused_and_a_refusal_leaves_its_key_free(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    assert refusal(await shop.book("2027-06-14T13:07Z", client, key="k")).startswith("422 slot_unavailable")
    turno = await shop.booked(MONDAY_TEN, client, key="k")
    again = await shop.book("2027-06-14T14:00Z", client, key="k")
    assert refusal(again) == "422 idempotency_key_reused"
    anothers = await shop.booked("2027-06-14T14:00Z", key="k")
    assert anothers["id"] != turno["id"]


async def test_the_first_answer_comes_again_whatever_has_changed_since(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client, key="k")
    assert (await town.act(turno, "cancel", client)).status_code == 200
    await shop.owned("DELETE", f"/services/{shop.cut}")
    town.set_clock("2027-06-20T12:00Z")
    again = await shop.book(MONDAY_TEN, client, key="k")
    assert (again.status_code, again.json()) == (201, turno)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_one_client_in_parallel_gets_one_of_many_members(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    members = [shop.ana, *[await shop.employs(name) for name in ("Beto", "Caro", "Dani")]]
    calls = [shop.book(MONDAY_TEN, client, staff_id=members[i % 4]) for i in range(24)]
    found = Counter(codes(await all_at_once(*calls)))
    assert (found.pop("201"), found.total()) == (1, 23)
    assert set(found) <= {"409 slot_taken client_busy", "409 slot_taken taken"}
    assert await overlaps(shop) == 0


async def test_two_move_to_one_time_and_one_keeps_its_own(town: Town) -> None:
    shop, clients = await town.a_shop(), [town.somebody() for _ in range(8)]
    turnos = [
        await shop.booked(f"2027-06-14T{12 + i}:00Z", client) for i, client in enumerate(clients, start=0)
    ]
    moves = [
        town.move(turno, client, "2027-06-15T13:00Z") for turno, client in zip(turnos, clients, strict=True)
    ]
    assert Counter(codes(await all_at_once(*moves))) == {"200": 1, "409 slot_taken taken": 7}
    kept = [
        (await town.read(turno, client))["starts_at"] == turno["starts_at"]
        for turno, client in zip(turnos, clients, strict=True)
    ]
    assert Counter(kept) == {True: 7, False: 1}


async def test_one_turno_moved_by_many_goes_to_one_place_at_a_time(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    targets = [f"2027-06-15T{12 + i % 8}:30Z" for i in range(30)]
    answers = await all_at_once(*(town.move(turno, client, target) for target in targets))
    assert {answer.status_code for answer in answers} == {200}
    last = await town.read(turno, client)
    assert [line["what"] for line in last["history"][1:]] == ["moved"] * (len(last["history"]) - 1)
    free = await shop.starts("2027-06-15")
    assert (last["starts_at"][11:16] in free, len(free)) == (False, 17)


async def test_a_cancellation_and_a_confirmation_at_once_have_one_end(town: Town) -> None:
    shop, client = await town.a_shop(confirmation="manual"), town.somebody()
    for _ in range(5):
        turno = await shop.booked(MONDAY_TEN, client)
        calls = [town.act(turno, "cancel", client) for _ in range(5)]
        calls += [town.act(turno, "confirm", shop.owner) for _ in range(5)]
        answers = codes(await all_at_once(*calls))
        assert set(answers) <= {"200", "409 appointment_not_active"}
        final = await town.read(turno, client)
        whats = [line["what"] for line in final["history"]]
        assert final["status"] == "cancelled"
        assert whats in (["requested", "cancelled"], ["requested", "confirmed", "cancelled"])
        assert answers.count("200") == (1 if len(whats) == 2 else 6) or len(whats) == 3


async def test_whatever_happens_at_once_nothing_overlaps(town: Town) -> None:
    chance = random.Random(7)
    shop = await town.a_shop(weekly("1-6", "09:00-13:00"), confirmation="manual", slot_step_minutes=15)
    await shop.employs("Beto")
    await shop.offers("Clase", 45, capacity=3, buffer_after_minutes=10)
    clients = [town.somebody() for _ in range(6)]
    booked: list[tuple[Json, Someone]] = []

    def a_start() -> str:
        return f"2027-06-14T{chance.randint(12, 14)}:{chance.choice(('00', '15', '30', '45'))}Z"

    for _ in range(6):
        orders: list[tuple[Someone, object]] = []
        for _ in range(20):
            client = chance.choice(clients)
            deed = chance.choice(("book", "hold", "move", "cancel", "confirm", "book"))
            service = chance.choice(list(shop.services.values()))
            if deed == "hold":
                orders.append((client, shop.hold(a_start(), client, service_id=service)))
            elif deed == "book" or not booked:
                orders.append((client, shop.book(a_start(), client, service_id=service)))
            else:
                turno, whose = chance.choice(booked)
                if deed == "move":
                    orders.append((whose, town.move(turno, whose, a_start())))
                else:
                    by = shop.owner if deed == "confirm" else whose
                    orders.append((whose, town.act(turno, deed, by)))
        answers = await all_at_once(*(call for _, call in orders))
        assert {answer.status_code for answer in answers} <= {200, 201, 404, 409, 422, 429}, codes(answers)
        booked += [
            (answer.json(), client)
            for answer, (client, _) in zip(answers, orders, strict=True)
            if answer.status_code == 201 and "status" in answer.json()
        ]
        assert await overlaps(shop) == 0
        if chance.random() < 0.5:
            town.stage.clock.use(
                version=town.stage.clock.version + 1,
                set_to=town.turnos.clock.now().replace(minute=chance.randint(0, 59)),
            )
    assert booked


async def test_a_booking_is_a_look_and_a_write(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    await shop.booked(MONDAY_TEN)
    with _statements(town) as ran:
        await shop.booked("2027-06-14T14:00Z", client, key="two")
    assert [("seats_about" in one, "is_still_so" in one) for one in ran] == [(True, False), (False, True)]


async def test_what_is_taken_is_refused_by_a_look_alone(town: Town) -> None:
    shop = await town.a_shop()
    await shop.booked(MONDAY_TEN)
    with _statements(town) as ran:
        assert refusal(await shop.book(MONDAY_TEN)) == "409 slot_taken taken"
    assert len(ran) == 1


async def test_who_was_come_before_gets_three_statements_under_the_locks(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, client = await town.a_shop(), town.somebody()
    await shop.employs("Beto")

    async def another_is_booked() -> None:
        await shop.booked("2027-06-14T13:30Z")

    # Who shares out the day between two members looks at all of it.
    with _comes_between(monkeypatch, another_is_booked), _statements(town) as ran:
        await shop.booked("2027-06-14T13:00Z", client, key="three")
    locks, look, write = ran[-3:]
    assert "count(pg_advisory_xact_lock" in locks
    assert "seats_about" in look
    assert "INTO appointments" in write
    assert "is_still_so" not in write
    assert await overlaps(shop) == 0


async def test_what_changes_between_look_and_write_decides(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, client = await town.a_shop(), town.somebody()

    async def another_is_booked() -> None:
        await shop.booked(MONDAY_TEN)

    with _comes_between(monkeypatch, another_is_booked):
        assert refusal(await shop.book(MONDAY_TEN, client)) == "409 slot_taken taken"

    early = await town.a_shop()

    async def hours_change() -> None:
        assert (await early.schedule(weekly("1", "09:00-10:00"))).status_code == 200

    with _comes_between(monkeypatch, hours_change):
        assert refusal(await early.book("2027-06-14T14:00Z", client)) == "422 slot_unavailable closed"

    async def client_is_booked() -> None:
        await shop.booked("2027-06-14T12:30Z", client)

    await shop.employs("Beto")
    with _comes_between(monkeypatch, client_is_booked):
        assert refusal(await shop.book("2027-06-14T12:30Z", client)) == "409 slot_taken client_busy"


async def test_the_first_answer_of_a_key_comes_again_though_it_came_between(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, client = await town.a_shop(), town.somebody()
    firsts: list[Json] = []

    async def the_same_is_booked() -> None:
        # As by another process: repeats within one wait for each other.
        monkeypatch.setattr(idempotency, "_queues", {})
        firsts.append(await shop.booked(MONDAY_TEN, client, key="again"))

    with _comes_between(monkeypatch, the_same_is_booked):
        answer = await shop.book(MONDAY_TEN, client, key="again")
    assert answer.status_code == 201
    assert answer.json() == firsts[0]


@contextmanager
def _comes_between(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], Awaitable[None]]) -> Generator[None]:
    """What is done once between the look of the next booking and its write."""
    write = seats.write_if_still_so
    with monkeypatch.context() as patch:

        async def later(*args: Any) -> bool:  # noqa: ANN401 - as it is called
            patch.setattr(seats, "write_if_still_so", write)
            await deed()
            return await write(*args)

        patch.setattr(seats, "write_if_still_so", later)
        yield
        assert seats.write_if_still_so is write, "nobody came to the write"


@contextmanager
def _statements(town: Town) -> Generator[list[str]]:
    """What the block runs on the rows of turnos, in its order: in transactions, and at once."""
    ran: list[str] = []
    fetch = direct.fetch

    def notes(statement: str) -> None:
        if any(word in statement for word in ("seats_about", "INTO appointments", "pg_advisory_xact_lock")):
            ran.append(statement)

    def runs(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        notes(statement)

    async def fetches(engine: AsyncEngine, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Any]:
        notes(statement.text)
        return await fetch(engine, statement, values)

    engine = town.turnos.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", runs)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(direct, "fetch", fetches)
            yield ran
    finally:
        event.remove(engine, "before_cursor_execute", runs)
