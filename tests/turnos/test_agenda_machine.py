"""Whatever many people do to one agenda in the same moments, its promises hold (R9, R11, R14).

A state machine: each step lets several orders run at once, each in a transaction of its own on the real
database, then asks the database by self-join, and the agenda by its own list, whether all is as it must be.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.turnos.test_never_twice import overlaps
from tests.turnos.town import Json, Shop, Someone, Town, all_at_once, codes, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")
T = TypeVar("T")
NOON = datetime(2027, 6, 14, 12, tzinfo=UTC)
# A refusal is an answer; a crash, a deadlock or a wait without end would be another one.
ANSWERS = {200, 201, 204, 403, 404, 409, 422, 429}

starts = st.integers(0, 15).map(lambda quarter: (NOON + timedelta(minutes=15 * quarter)).isoformat())
DEEDS = ("book", "book", "hold", "series", "set", "move", "cancel", "confirm", "shorten", "widen")
orders = st.tuples(
    st.sampled_from(DEEDS),
    starts,
    st.integers(0, 5),
    st.integers(0, 2),
)
Order = tuple[str, str, int, int]


class Agenda(RuleBasedStateMachine):
    """One shop of two members and three services, and six clients who want what there is."""

    town: Town
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.shop: Shop = self._wait(self._open())
        self.clients = [self.town.somebody() for _ in range(6)]
        self.booked: list[tuple[Json, Someone]] = []

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _open(self) -> Shop:
        self.town.set_clock("2027-06-10T12:00Z")
        shop = await self.town.a_shop(weekly("1-6", "09:00-13:00"), slot_step_minutes=15)
        await shop.employs("Beto")
        await shop.offers("Clase", 45, capacity=3, buffer_after_minutes=10)
        await shop.offers("Lavado", 15, buffer_before_minutes=5)
        await self.town.copies_are_current(shop)
        return shop

    @rule(wanted=st.lists(orders, min_size=2, max_size=8))
    def at_once(self, wanted: list[Order]) -> None:
        calls = [self._call(order) for order in wanted]
        answers = self._wait(all_at_once(*calls))
        assert {answer.status_code for answer in answers} <= ANSWERS, codes(answers)
        for answer, (_, _, who, _) in zip(answers, wanted, strict=True):
            made: Json = answer.json() if answer.status_code == 201 else {}
            turnos = made.get("items", [made] if "history" in made else [])
            self.booked += [(turno, self.clients[who]) for turno in turnos if turno["client_id"]]

    def _call(self, order: Order) -> Coroutine[Any, Any, httpx.Response]:
        what, start, who, which = order
        service = list(self.shop.services.values())[which]
        if what in {"move", "cancel", "confirm"} and self.booked:
            return self._act(what, start, self.booked[(who * 7 + which) % len(self.booked)])
        repeat = {"every_weeks": 1, "count": 3, "allow_partial": who % 2 == 0}
        client, shop = self.clients[who], self.shop
        calls: dict[str, Callable[[], Coroutine[Any, Any, httpx.Response]]] = {
            "shorten": lambda: self._hours("11:00", "cancel"),
            "widen": lambda: self._hours("13:00", "keep"),
            "hold": lambda: shop.hold(start, client, service_id=service),
            "series": lambda: shop.book(start, client, repeat=repeat, service_id=service),
            "set": lambda: shop.sets(start, overbook=which == 0, reason="Urgencia", service_id=service),
        }
        return calls.get(what, lambda: shop.book(start, client, service_id=service))()

    def _hours(self, until: str, decided: str) -> Coroutine[Any, Any, httpx.Response]:
        hours = weekly("1-6", f"09:00-{until}")
        return self.shop.schedule(hours, slot_step_minutes=15, on_conflict=decided)

    def _act(
        self, what: str, start: str, booked: tuple[Json, Someone]
    ) -> Coroutine[Any, Any, httpx.Response]:
        turno, whose = booked
        if what == "move":
            return self.town.move(turno, whose, start)
        return self.town.act(turno, what, whose if what == "cancel" else self.shop.owner)

    @rule(minutes=st.integers(1, 10))
    def time_passes(self, minutes: int) -> None:
        now = self.town.turnos.clock.now() + timedelta(minutes=minutes)
        self.town.set_clock(now.isoformat())

    @invariant()
    def nobody_has_what_another_has(self) -> None:
        assert self._wait(overlaps(self.shop)) == 0

    @invariant()
    def no_seat_is_above_its_service(self) -> None:
        rows = self._wait(
            self.town.rows(
                "SELECT count(*) AS n FROM appointments WHERE business_id = $1 AND seat > capacity"
                " AND NOT overbooked",
                UUID(self.shop.id),
            )
        )
        assert rows[0].n == 0

    def teardown(self) -> None:
        """Each turno's history tells how it came to stand where it stands; what is offered books."""
        for turno, whose in self.booked:
            seen = self._wait(self.town.read(turno, whose))
            whats = [line["what"] for line in seen["history"]]
            assert whats[0] == "booked"
            assert ("cancelled" in whats) is (seen["status"] == "cancelled")
            assert whats.count("cancelled") <= 1
        for service in self.shop.services:
            slots = self._wait(self.shop.slots("2027-06-14", service=service))
            assert max(Counter(slot["starts_at"] for slot in slots).values(), default=1) == 1
            for slot in slots[:1]:
                self._wait(self.shop.booked(slot["starts_at"], service_id=self.shop.services[service]))
        assert self._wait(overlaps(self.shop)) == 0


async def test_whatever_happens_at_once_the_agenda_keeps_its_promises(town: Town) -> None:
    Agenda.town, Agenda.loop = town, asyncio.get_running_loop()
    found = settings(max_examples=4, stateful_step_count=8, deadline=None, derandomize=True, database=None)
    await asyncio.to_thread(run_state_machine_as_test, Agenda, settings=found)
