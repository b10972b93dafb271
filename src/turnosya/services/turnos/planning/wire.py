"""A problem and a plan as one line of JSON each, on the way to the worker process and back."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from turnosya.services.turnos.planning.problem import Affected, Kind, Limits, Place, Placed, Plan, Problem

_NESTED = ("members", "dayparts", "weekdays")


def problem_line(problem: Problem) -> bytes:
    """A problem in one line. Values in the order of their fields: places are thousands."""
    parts = (
        [_values(kind) for kind in problem.kinds],
        [_values(one) for one in problem.affected],
        _values(problem.limits),
    )
    return json.dumps(parts, separators=(",", ":")).encode() + b"\n"


def problem_of(line: bytes) -> Problem:
    """The problem that a line tells of."""
    kinds, affected, limits = json.loads(line)
    return Problem(
        kinds=tuple(_kind(values) for values in kinds),
        affected=tuple(_affected(values) for values in affected),
        limits=Limits(*limits),
    )


def plan_line(plan: Plan) -> bytes:
    """A plan in one line."""
    return json.dumps(_values(plan), separators=(",", ":")).encode() + b"\n"


def plan_of(line: bytes) -> Plan:
    """The plan that a line tells of."""
    placed, unplaced, *rest = json.loads(line)
    return Plan(tuple(Placed(*one) for one in placed), tuple(unplaced), *rest)


def _values(one: Any) -> list[Any]:  # noqa: ANN401 - any of the dataclasses
    return [getattr(one, field.name) for field in fields(one)]


def _kind(values: list[Any]) -> Kind:
    *lengths, places = values
    service, duration, before, after = lengths
    return Kind(service, duration, before, after, tuple(Place(*place) for place in places))


def _affected(values: list[Any]) -> Affected:
    named: dict[str, Any] = {
        field.name: tuple(value) if field.name in _NESTED else value
        for field, value in zip(fields(Affected), values, strict=True)
    }
    named["busy"] = tuple((begin, end) for begin, end in named["busy"])
    return Affected(**named)
