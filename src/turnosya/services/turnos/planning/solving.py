"""The best plan: an assignment where places are disjoint, else an integer programme solved by HiGHS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from turnosya.services.turnos.planning.options import Options, options_of
from turnosya.services.turnos.planning.problem import Placed, Plan, Problem
from turnosya.services.turnos.planning.programme import Columns, is_disjoint
from turnosya.services.turnos.planning.search import Proof, Search
from turnosya.services.turnos.planning.settling import Choice, cost_of_choice, settled


def best_plan(problem: Problem) -> Plan:
    """Places as many turnos as possible and, among all plans that do, has the least cost (R18).

    Exact unless a limit is met, which the plan then says, with the bound that is proven. Costs are whole
    numbers of sixtieths of a point, so nothing is rounded. Of plans that cost the same, the one in which
    who has the lower id has the earlier place, or a place at all; then the member with the lower number.
    The same problem gives the same plan, in whatever order it is written: limits are nodes of the search,
    and the seconds in them are only an outer guard.
    """
    options = options_of(problem)
    if not any(len(one) for one in options):
        return _plan(options, [None] * len(options), Proof(len(options), 0))
    columns = Columns.of(options)
    if is_disjoint(options, columns):
        choice = _assigned(options, columns)
        proof = Proof(choice.count(None), cost_of_choice(options, choice))
    else:
        choice, proof = Search(options, columns, problem.limits).best()
    return _plan(options, settled(options, choice), proof)


def _plan(options: Sequence[Options], choice: Choice, proof: Proof) -> Plan:
    chosen = [(one, place) for one, place in zip(options, choice, strict=True) if place is not None]
    return Plan(
        placed=tuple(
            Placed(one.affected.id, int(one.member[place]), int(one.start[place])) for one, place in chosen
        ),
        unplaced=tuple(one.affected.id for one, place in zip(options, choice, strict=True) if place is None),
        cost=cost_of_choice(options, choice),
        least_unplaced=proof.least_unplaced,
        least_cost=proof.least_cost,
        limit=proof.limit,
    )


def _assigned(options: Sequence[Options], columns: Columns) -> Choice:
    """One turno a place, by the Hungarian method; a column of its own for each who may be left out."""
    spans = np.stack([columns.member, columns.busy_from, columns.busy_to])
    unique, number = np.unique(spans, axis=1, return_inverse=True)
    count, width = len(options), unique.shape[1]
    left_out = int(columns.cost.max()) * count + 1
    table = np.full((count, width + count), left_out * (count + 1), dtype=np.int64)
    np.fill_diagonal(table[:, width:], left_out)
    table[columns.turno, number.ravel()] = columns.cost
    places = np.zeros((count, width), dtype=np.int64)
    places[columns.turno, number.ravel()] = columns.place
    _, chosen = linear_sum_assignment(table)
    return [int(places[turno, at]) if at < width else None for turno, at in enumerate(chosen)]
