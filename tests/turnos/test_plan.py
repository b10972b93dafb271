"""The plan equals brute force, and is the same however its problem is written (R18)."""

import itertools
import os
import random
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from turnosya.services.turnos.planning.planner import Planner
from turnosya.services.turnos.planning.problem import (
    Affected,
    Kind,
    Limits,
    Place,
    Plan,
    Problem,
)
from turnosya.services.turnos.planning.solving import best_plan

MONDAY = 740000
NINE = 9 * 60


def place(member: int, minute: int, *, day: int = MONDAY + 1, seats: int = 1) -> Place:
    return Place(member, day * 1440 + minute, day, minute, seats)


def a_turno(name: str, minute: int = NINE, **more: object) -> Affected:
    plain = Affected(name, 0, 0, MONDAY, minute, (0,))
    return replace(plain, **more)  # type: ignore[arg-type]


def where(plan: Plan) -> dict[str, str]:
    """Who goes where: ``{"a": "0 at 09:30"}``, the member and the minute of the day."""
    return {one.id: f"{one.member} at {one.start % 1440 // 60:02}:{one.start % 60:02}" for one in plan.placed}


def cost_of(affected: Affected, to: Place) -> int:
    """By the words of R18, in sixtieths of a point: 10 a day, 1 an hour, 5 for another, 20 if disliked."""
    cost = 600 * abs(to.day - affected.day) + abs(to.minute - affected.minute)
    cost += 300 * (to.member != affected.member)
    return cost + 1200 * (not is_preferred(affected, to)) + 240_000 * affected.rank


def is_preferred(affected: Affected, to: Place) -> bool:
    hour = to.minute // 60
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    weekday = date.fromordinal(to.day).isoweekday()
    return (not affected.dayparts or part in affected.dayparts) and (
        not affected.weekdays or weekday in affected.weekdays
    )


def may_go(affected: Affected, kind: Kind, to: Place) -> bool:
    """Whether a place is possible for a turno, others left aside; what was moved twice stays."""
    end = to.start + kind.duration
    is_free = all(end <= busy_from or busy_to <= to.start for busy_from, busy_to in affected.busy)
    return affected.automatic_moves < 2 and to.member in affected.members and is_free


def meet(problem: Problem, one: tuple[Affected, Place], other: tuple[Affected, Place]) -> bool:
    """Whether two cannot both be, by the words of R9 and R14."""
    (left, at), (right, to) = one, other
    mine, theirs = problem.kinds[left.kind], problem.kinds[right.kind]
    same_client = left.client is not None and left.client == right.client
    if same_client and at.start < to.start + theirs.duration and to.start < at.start + mine.duration:
        return True
    if at.member != to.member:
        return False
    if at.seats > 1 and (mine.service, at.start) == (theirs.service, to.start):
        return False
    return (
        at.start - mine.before < to.start + theirs.length_after
        and to.start - theirs.before < at.start + mine.length_after
    )


def every_plan(problem: Problem) -> Iterator[list[tuple[Affected, Place]]]:
    choices: list[list[Place | None]] = [
        [None, *(to for to in problem.kinds[one.kind].places if may_go(one, problem.kinds[one.kind], to))]
        for one in problem.affected
    ]
    for chosen in itertools.product(*choices):
        plan = [(one, to) for one, to in zip(problem.affected, chosen, strict=True) if to is not None]
        if is_possible(problem, plan):
            yield plan


def is_possible(problem: Problem, plan: Sequence[tuple[Affected, Place]]) -> bool:
    if any(meet(problem, one, other) for one, other in itertools.combinations(plan, 2)):
        return False
    together = [
        [to for who, to in plan if (problem.kinds[who.kind].service, to.member, to.start) == key]
        for key in {(problem.kinds[who.kind].service, to.member, to.start) for who, to in plan}
    ]
    return all(len(session) <= session[0].seats for session in together)


def best_of_all(problem: Problem) -> tuple[int, int]:
    """How many are left out, and the cost, of the best of all plans."""
    return min(
        (len(problem.affected) - len(plan), sum(cost_of(who, to) for who, to in plan))
        for plan in every_plan(problem)
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    step = draw(st.sampled_from([15, 30]))
    starts = st.tuples(st.integers(0, 1), st.integers(0, 7), st.integers(0, 1))
    kinds: list[Kind] = []
    for service in range(draw(st.integers(1, 2))):
        seats = draw(st.sampled_from([1, 1, 3]))
        found = draw(st.lists(starts, min_size=1, max_size=4, unique=True))
        places = tuple(place(who, NINE + at * step, day=MONDAY + day, seats=seats) for who, at, day in found)
        before, after = draw(st.sampled_from([(0, 0), (0, 10), (15, 0)]))
        kinds.append(Kind(service, draw(st.sampled_from([30, 45, 60])), before, after, places))
    affected = [
        Affected(
            id=f"{number}",
            kind=draw(st.integers(0, len(kinds) - 1)),
            member=draw(st.integers(0, 1)),
            day=MONDAY,
            minute=NINE + draw(st.integers(0, 7)) * step,
            members=draw(st.sampled_from([(0, 1), (0,), (1,)])),
            client=draw(st.sampled_from([None, "x", "y"])),
            busy=draw(st.sampled_from([(), ((place(0, 600).start, place(0, 630).start),)])),
            dayparts=draw(st.sampled_from([(), ("morning",), ("afternoon", "evening")])),
            weekdays=draw(st.sampled_from([(), (1, 2), (3,)])),
            automatic_moves=draw(st.sampled_from([0, 1, 2])),
        )
        for number in range(draw(st.integers(1, 6)))
    ]
    return Problem(tuple(kinds), tuple(affected))


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=120, deadline=None)
def test_a_plan_is_the_best_of_all_and_the_same_in_whatever_order_it_is_asked_for(
    problem: Problem, chance: random.Random
) -> None:
    plan = best_plan(problem)

    of = {one.id: one for one in problem.affected}
    chosen = [
        (of[one.id], to)
        for one in plan.placed
        for to in problem.kinds[of[one.id].kind].places
        if (to.member, to.start) == (one.member, one.start)
    ]
    assert all(may_go(who, problem.kinds[who.kind], to) for who, to in chosen)
    assert is_possible(problem, chosen)
    assert plan.cost == sum(cost_of(who, to) for who, to in chosen)
    assert (len(plan.unplaced), plan.cost) == best_of_all(problem)
    assert plan.is_proved
    assert plan.gap == 0
    shuffled = list(problem.affected)
    chance.shuffle(shuffled)
    kinds = tuple(
        replace(kind, places=tuple(chance.sample(kind.places, len(kind.places)))) for kind in problem.kinds
    )
    assert best_plan(Problem(kinds, tuple(shuffled))) == plan


def test_more_are_placed_before_anything_is_cheaper() -> None:
    """b could have 09:00 for nothing, but then a had nowhere to go."""
    kind = Kind(0, 30, places=(place(0, NINE), place(0, NINE + 300)))
    busy_later = a_turno("a", busy=((place(0, NINE + 300).start, place(0, NINE + 330).start),))
    plan = best_plan(Problem((kind,), (busy_later, a_turno("b"))))
    assert where(plan) == {"a": "0 at 09:00", "b": "0 at 14:00"}


def test_who_has_the_lower_id_gets_the_earlier_of_two_places_that_cost_the_same() -> None:
    kind = Kind(0, 30, places=(place(0, NINE - 60), place(0, NINE + 60)))
    plan = best_plan(Problem((kind,), (a_turno("b"), a_turno("a"))))
    assert where(plan) == {"a": "0 at 08:00", "b": "0 at 10:00"}
    one_place = Kind(0, 30, places=(place(0, NINE),))
    plan = best_plan(Problem((one_place,), (a_turno("b"), a_turno("a"))))
    assert where(plan) == {"a": "0 at 09:00"}
    assert plan.unplaced == ("b",)


def test_a_turno_that_was_moved_twice_is_not_moved_again() -> None:
    kind = Kind(0, 30, places=(place(0, NINE),))
    plan = best_plan(Problem((kind,), (a_turno("a", automatic_moves=2), a_turno("b", automatic_moves=1))))
    assert where(plan) == {"b": "0 at 09:00"}


def test_seats_of_one_session_are_shared_and_its_time_is_not() -> None:
    group = Kind(0, 60, places=(place(0, NINE, seats=2),))
    alone = Kind(1, 30, places=(place(0, NINE + 30),))
    both = (a_turno("a"), a_turno("b"), a_turno("c", kind=1))
    plan = best_plan(Problem((group, alone), both))
    assert where(plan) == {"a": "0 at 09:00", "b": "0 at 09:00"}


def test_where_the_search_is_cut_short_the_plan_says_so_and_what_is_proven() -> None:
    chance = random.Random(7)
    kinds = tuple(
        Kind(
            number,
            minutes,
            places=tuple(
                place(who, NINE + 15 * step, day=MONDAY + day)
                for day in range(1, 3)
                for who in range(3)
                for step in range(36 - minutes // 15 + 1)
            ),
        )
        for number, minutes in enumerate((30, 45, 60, 90))
    )
    affected = tuple(
        a_turno(
            f"{number:02}",
            kind=chance.randrange(4),
            minute=NINE + 15 * chance.randrange(30),
            members=(0, 1, 2),
        )
        for number in range(30)
    )
    plan = best_plan(Problem(kinds, affected, Limits(guard_s=0.01)))
    assert plan.limit == "time"
    assert not plan.is_proved
    assert len(plan.placed) + len(plan.unplaced) == len(affected)


async def test_the_worker_process_answers_what_the_function_does_and_is_replaced_when_it_dies() -> None:
    kinds = (
        Kind(0, 30, places=(place(0, NINE), place(1, NINE + 30, seats=2))),
        Kind(1, 45, 5, 10, (place(1, 720),)),
    )
    problem = Problem(
        kinds,
        (
            a_turno("a", members=(0, 1), busy=((1, 2),), dayparts=("morning",), weekdays=(2,)),
            a_turno("b", kind=1, members=(1,), client="x"),
        ),
    )
    async with Planner.open() as planner:
        assert await planner.plan(problem) == best_plan(problem)
        first = planner.worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await planner.plan(problem) == best_plan(problem)
        assert planner.worker.pid not in (None, first)
    assert planner.worker.pid is None
