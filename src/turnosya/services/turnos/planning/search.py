"""The integer programme, solved by HiGHS over the few places that can matter, with what is proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from time import monotonic
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, linprog, milp
from scipy.sparse import csr_array, vstack

from turnosya.services.turnos.planning.options import Flags, Ints, Options
from turnosya.services.turnos.planning.problem import Limit, Limits
from turnosya.services.turnos.planning.programme import Columns, programme_of
from turnosya.services.turnos.planning.settling import Choice, completed, cost_of_choice, first_come

Reals = NDArray[np.float64]

# The stubs do not know that it takes sparse matrices, as its documentation asks for.
_SOLVE = cast("Callable[..., OptimizeResult]", linprog)
_NEAR = 1e-6
_SOLVED, _IMPOSSIBLE = 0, 2
# Places a turno in the first two looks. Eight with what the relaxed programme is sure of fixed take HiGHS
# some hundredths of a second for 60 turnos, and the plan is within 2 % (2 cores, 2026-11); twelve without
# mostly hold the best plan.
_FIRST_LOOK, _SECOND_LOOK = 8, 12
_SURE, _HALF = 0.99, 0.5


@dataclass(frozen=True, slots=True)
class Proof:
    """What no plan is better than: first by who is left out, then by cost."""

    least_unplaced: int
    least_cost: int
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class _Relaxed:
    """The programme with places that may be split: its least cost, and what each place adds to it."""

    value: float
    reduced: Reals
    shares: Reals


class Search:
    """Reduced costs of the relaxed programme say which places can still matter; HiGHS decides among them.

    A place whose reduced cost is above the distance between the best plan and the bound is in no better
    plan. So a few places are looked at first, and more only if the plan found there leaves room for them.
    """

    def __init__(self, options: Sequence[Options], columns: Columns, limits: Limits) -> None:
        self._options = options
        self._columns = columns
        self._programme = programme_of(options, columns)
        self._until = monotonic() + limits.guard_s
        self._nodes = limits.nodes
        self._limit: Limit | None = None
        self._best = first_come(options)
        self._least_unplaced = 0
        self._bound = 0

    def best(self) -> tuple[Choice, Proof]:
        """The best plan found, and what is proven."""
        if None in self._best:
            self._least_unplaced = self._least_left_out()
        relaxed = self._relaxed(placed=len(self._options) - self._least_unplaced)
        if relaxed is not None:
            self._look_quickly(relaxed)
            if self._best.count(None) > self._least_unplaced:
                relaxed = self._place_most()
        if relaxed is not None:
            self._bound = max(0, ceil(relaxed.value - _NEAR))
            self._narrow_down(relaxed)
        cost = min(self._bound, self._cost(self._best)) * self._columns.unit
        is_most = self._best.count(None) == self._least_unplaced
        return self._best, Proof(self._least_unplaced, cost if is_most else 0, self._limit)

    def _least_left_out(self) -> int:
        """How many are left out even if places may be split."""
        split = self._linear(self._one_each(), self._programme.certain, least=0)
        return 0 if split is None else len(self._options) - floor(-split.fun + _NEAR)

    def _place_most(self) -> _Relaxed | None:
        """As many turnos as possible, whatever it costs; then the relaxed programme that places as many."""
        gains = self._one_each()
        solved = self._integer(gains, np.arange(len(gains)), self._programme.certain, least=0)
        if solved.x is not None:
            self._take(np.flatnonzero(np.asarray(solved.x)[: self._programme.places] > _HALF))
        if solved.mip_dual_bound is not None and np.isfinite(solved.mip_dual_bound):
            most = floor(-float(solved.mip_dual_bound) + _NEAR)
            self._least_unplaced = max(self._least_unplaced, len(self._options) - most)
        relaxed = self._relaxed(placed=len(self._options) - self._best.count(None))
        if relaxed is not None:
            self._look_quickly(relaxed)
        return relaxed

    def _one_each(self) -> Reals:
        gains = np.zeros(len(self._programme.cost))
        gains[: self._programme.places] = -1
        return gains

    def _relaxed(self, *, placed: int) -> _Relaxed | None:
        solved = self._linear(self._costs(), self._certain(), least=placed)
        if solved is None:
            return None
        places = self._programme.places
        reduced = np.asarray(solved.lower.marginals)[:places]
        return _Relaxed(float(solved.fun), reduced, np.asarray(solved.x)[:places])

    def _narrow_down(self, relaxed: _Relaxed) -> None:
        look = self._radius(relaxed, _SECOND_LOOK)
        while self._cost(self._best) > self._bound and self._limit is None:
            room = self._cost(self._best) - 1 - relaxed.value
            look = min(look, room)
            found = self._look(relaxed, look)
            look = room if found else 2 * look + 1

    def _radius(self, relaxed: _Relaxed, places: int) -> float:
        """The reduced cost within which there are so many places a turno on average."""
        wanted = places * len(self._options)
        return (
            float(np.partition(relaxed.reduced, wanted)[wanted]) if wanted < len(relaxed.reduced) else np.inf
        )

    def _look_quickly(self, relaxed: _Relaxed) -> None:
        """A good plan to begin with: what is nearly sure is fixed, and who has no room is placed after."""
        turno = self._columns.turno
        sure: Flags = np.zeros(len(self._options), dtype=np.bool_)
        sure[turno[relaxed.shares > _SURE]] = True
        near = relaxed.reduced <= self._radius(relaxed, _FIRST_LOOK) + _NEAR
        kept = np.flatnonzero(np.where(sure[turno], relaxed.shares > _SURE, near))
        gains = self._costs()
        gains[: self._programme.places] -= gains[kept].max() + 1
        nobody: Flags = np.zeros(len(self._options), dtype=np.bool_)
        solved = self._integer(gains, self._with_sessions(kept), nobody, least=0)
        if solved.x is not None:
            self._take(kept[np.asarray(solved.x)[: len(kept)] > _HALF])

    def _look(self, relaxed: _Relaxed, look: float) -> bool:
        """Searches among places that add at most ``look``; whether there is a plan of them."""
        near = np.flatnonzero(relaxed.reduced <= look + _NEAR)
        placed = len(self._options) - self._best.count(None)
        solved = self._integer(self._costs(), self._with_sessions(near), self._certain(), least=placed)
        if solved.x is not None:
            self._take(near[np.asarray(solved.x)[: len(near)] > _HALF])
        within = self._proven(solved)
        beyond = self._bound if look == np.inf else floor(relaxed.value + look + _NEAR) + 1
        if within is not None:
            beyond = within if look == np.inf else min(within, beyond)
        self._bound = max(self._bound, beyond)
        return solved.x is not None

    def _proven(self, solved: OptimizeResult) -> int | None:
        """The least cost of any plan within a look; None if there is no such plan."""
        if solved.status == _SOLVED:
            return round(float(solved.fun))
        if solved.status == _IMPOSSIBLE:
            return None
        bound = solved.mip_dual_bound
        return self._bound if bound is None or not np.isfinite(bound) else ceil(float(bound) - _NEAR)

    def _costs(self) -> Reals:
        return self._programme.cost.astype(np.float64)

    def _certain(self) -> Flags:
        """Who must be placed."""
        everybody = None not in self._best
        return np.ones_like(self._programme.certain) if everybody else self._programme.certain

    def _with_sessions(self, places: Ints) -> Ints:
        return np.concatenate([places, np.arange(self._programme.places, len(self._programme.cost))])

    def _linear(self, cost: Reals, certain: Flags, *, least: int) -> OptimizeResult | None:
        matrix, low, high = self._rows(certain, least)
        equal = np.flatnonzero(low == high)
        solved = _SOLVE(
            cost,
            A_ub=vstack([matrix, -matrix[-1:]], format="csr"),
            b_ub=np.append(high, -least),
            A_eq=matrix[equal] if len(equal) else None,
            b_eq=high[equal] if len(equal) else None,
            method="highs-ds",
            options={"time_limit": self._left_s()},
        )
        if solved.status != _SOLVED:
            self._limit = "time"
            return None
        return solved

    def _integer(self, cost: Reals, kept: Ints, certain: Flags, *, least: int) -> OptimizeResult:
        matrix, low, high = self._rows(certain, least)
        solved = milp(
            cost[kept],
            integrality=np.ones(len(kept), dtype=np.int64),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(matrix[:, kept], low, high),
            options={"node_limit": self._nodes, "time_limit": self._left_s(), "mip_rel_gap": 0},
        )
        if solved.status not in (_SOLVED, _IMPOSSIBLE):
            self._limit = "time" if monotonic() >= self._until else "work"
        return solved

    def _rows(self, certain: Flags, least: int) -> tuple[csr_array, Reals, Reals]:
        """The rows of the programme and a last one: that at least so many turnos are placed."""
        programme = self._programme
        everyone = np.zeros((1, programme.matrix.shape[1]))
        everyone[0, : programme.places] = 1
        low = np.full(len(programme.most) + 1, -np.inf)
        low[: len(certain)][certain] = 1
        low[-1] = least
        high = np.append(programme.most, len(self._options)).astype(np.float64)
        return csr_array(vstack([programme.matrix, csr_array(everyone)], format="csr")), low, high

    def _take(self, chosen: Ints) -> None:
        """Keeps a plan, filled up where there is room, if it is better than the best so far."""
        choice: list[int | None] = [None] * len(self._options)
        for column in chosen:
            choice[int(self._columns.turno[column])] = int(self._columns.place[column])
        filled = completed(self._options, choice)
        if (filled.count(None), self._cost(filled)) < (self._best.count(None), self._cost(self._best)):
            self._best = filled

    def _cost(self, choice: Choice) -> int:
        return cost_of_choice(self._options, choice) // self._columns.unit

    def _left_s(self) -> float:
        return max(0.05, self._until - monotonic())
