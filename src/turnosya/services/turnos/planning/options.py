"""The places that each turno may go to, cheapest first, cut to those that a best plan can need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from turnosya.services.turnos.planning.problem import (
    COST_A_DAY,
    COST_A_MINUTE,
    COST_A_RANK,
    COST_OF_ANOTHER_MEMBER,
    COST_OUTSIDE_PREFERENCES,
    DAYPARTS,
    MOST_AUTOMATIC_MOVES,
    Affected,
    Kind,
    Problem,
)

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Options:
    """One turno with its places as columns of equal length, cheapest first, then earliest, then by member."""

    affected: Affected
    kind: Kind
    """With the buffers by which it is kept apart from others: those of its widest session."""
    member: Ints
    start: Ints
    seats: Ints
    cost: Ints
    always_fits: bool = False
    """Whether there is a free place for it whatever becomes of the others."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def busy_from(self) -> Ints:
        """From when each place takes its member's time."""
        return self.start - self.kind.before

    @property
    def busy_to(self) -> Ints:
        """Until when."""
        return self.start + self.kind.length_after

    def first(self, count: int) -> Options:
        """The same turno with its ``count`` cheapest places, which the others cannot block all of."""
        return Options(
            self.affected,
            self.kind,
            self.member[:count],
            self.start[:count],
            self.seats[:count],
            self.cost[:count],
            always_fits=True,
        )


def options_of(problem: Problem) -> list[Options]:
    """The options of every turno, in the order of their ids, cut exactly.

    Whatever the others do, each of them blocks a bounded number of a turno's places. One more than all of
    them together can block are enough: a plan that puts it at a dearer place can put it at one of these
    instead, for one is free.
    """
    kinds = [_widened(kind, problem.kinds) for kind in problem.kinds]
    tables = [_table(kind) for kind in kinds]
    ordered = sorted(problem.affected, key=lambda one: one.id)
    found = [_options(one, kinds[one.kind], tables[one.kind]) for one in ordered]
    crowd = _Crowd(kinds, tables, [one for one in found if len(one)])
    return [crowd.cut(one) if len(one) else one for one in found]


def _widened(kind: Kind, kinds: Sequence[Kind]) -> Kind:
    """A kind as long as any with which it may share a session, so that a session has one length."""
    alike = [other for other in kinds if other.service == kind.service]
    if all(place.seats == 1 for other in alike for place in other.places):
        return kind
    length_after = max(other.length_after for other in alike)
    return replace(kind, before=max(other.before for other in alike), after=length_after - kind.duration)


def _table(kind: Kind) -> Ints:
    return np.array(kind.places, dtype=np.int64).reshape(-1, 5).T


def _options(affected: Affected, kind: Kind, table: Ints) -> Options:
    member, start, day, minute, seats = table
    possible: Flags = np.isin(member, np.array(affected.members, dtype=np.int64))
    for busy_from, busy_to in affected.busy:
        possible &= (start + kind.duration <= busy_from) | (busy_to <= start)
    if affected.automatic_moves >= MOST_AUTOMATIC_MOVES:
        possible[:] = False
    cost = COST_A_DAY * np.abs(day - affected.day) + COST_A_MINUTE * np.abs(minute - affected.minute)
    cost += COST_OF_ANOTHER_MEMBER * (member != affected.member)
    cost += COST_OUTSIDE_PREFERENCES * ~_is_preferred(affected, day, minute)
    cost += COST_A_RANK * affected.rank
    order = np.lexsort((member, start, cost))
    order = order[possible[order]]
    return Options(affected, kind, member[order], start[order], seats[order], cost[order])


def _is_preferred(affected: Affected, day: Ints, minute: Ints) -> Flags:
    preferred: Flags = np.ones(len(day), dtype=np.bool_)
    if affected.dayparts:
        parts = [DAYPARTS[part] for part in affected.dayparts]
        preferred &= np.logical_or.reduce([(first <= minute) & (minute < last) for first, last in parts])
    if affected.weekdays:
        preferred &= np.isin((day - 1) % 7 + 1, np.array(affected.weekdays, dtype=np.int64))
    return preferred


class _Crowd:
    """All who want a place, as one of them sees the others."""

    def __init__(self, kinds: Sequence[Kind], tables: Sequence[Ints], movable: Sequence[Options]) -> None:
        self._kinds = kinds
        self._tables = tables
        self._of_kind = Counter(one.affected.kind for one in movable)
        self._of_client = Counter(one.affected.client for one in movable)
        self._longest = max((one.kind.duration for one in movable), default=0)

    def cut(self, one: Options) -> Options:
        """The same without places that are dearer than enough others."""
        blockable = 0
        for number, count in self._of_kind.items():
            others = count - (number == one.affected.kind)
            if others:
                blockable += others * _most_met(one, self._kinds[number], self._tables[number])
        if one.affected.client is not None:
            own = self._of_client[one.affected.client] - 1
            blockable += own * _most_within(one, one.kind.duration + self._longest) if own else 0
        return one.first(blockable + 1) if blockable < len(one) else one


def _most_met(one: Options, other: Kind, table: Ints) -> int:
    """The most of a turno's places that another of kind ``other`` can block, wherever it goes."""
    most = 0
    for member in np.unique(one.member):
        mine = np.sort(one.start[one.member == member])
        theirs: Ints = table[1][table[0] == member]
        first: Ints = np.searchsorted(mine, theirs - other.before - one.kind.length_after, side="right")
        last: Ints = np.searchsorted(mine, theirs + other.length_after + one.kind.before, side="left")
        most = max(most, int((last - first).max(initial=0)))
    return most


def _most_within(one: Options, width: int) -> int:
    """The most of a turno's places that begin within less than ``width`` minutes of each other."""
    starts = np.sort(one.start)
    return int((np.searchsorted(starts, starts + width, side="left") - np.arange(len(starts))).max())
