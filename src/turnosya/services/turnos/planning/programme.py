"""The choice of places as a linear programme: a column a place, a row for whatever only one may have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from turnosya.services.turnos.planning.options import Flags, Ints, Options

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Columns:
    """Every place of every turno, one below the other."""

    turno: Ints
    """The turno's number, and its place in the list of options."""
    place: Ints
    member: Ints
    start: Ints
    busy_from: Ints
    busy_to: Ints
    seats: Ints
    service: Ints
    cost: Ints
    """In the greatest unit that divides all costs."""
    unit: int

    @classmethod
    def of(cls, options: Sequence[Options]) -> Columns:
        """The columns of turnos, of whom at least one has a place."""
        cost = np.concatenate([one.cost for one in options])
        unit = max(1, int(np.gcd.reduce(cost)))
        return cls(
            turno=np.repeat(np.arange(len(options)), [len(one) for one in options]),
            place=np.concatenate([np.arange(len(one)) for one in options]),
            member=np.concatenate([one.member for one in options]),
            start=np.concatenate([one.start for one in options]),
            busy_from=np.concatenate([one.busy_from for one in options]),
            busy_to=np.concatenate([one.busy_to for one in options]),
            seats=np.concatenate([one.seats for one in options]),
            service=np.repeat([one.kind.service for one in options], [len(one) for one in options]),
            cost=cost // unit,
            unit=unit,
        )

    def __len__(self) -> int:
        return len(self.turno)


@dataclass(frozen=True, slots=True)
class Programme:
    """Minimise ``cost`` over columns of 0 and 1 (places, then sessions) with ``matrix`` at most ``most``.

    The first rows are one for each turno; ``certain`` says who can be placed whatever the others do.
    """

    cost: Ints
    matrix: csr_array
    most: Ints
    certain: Flags
    places: int
    """How many of the columns are places."""


def programme_of(options: Sequence[Options], columns: Columns) -> Programme:
    """The programme whose solutions are the plans; its rows are cliques, so that its bound is tight.

    Of one member, all that cover one instant exclude each other, and only instants after which something
    ends first make a row of their own.
    """
    count = len(columns)
    sessions, of_place = _sessions(columns)
    rows = _Rows(count + len(sessions))
    certain = np.array([one.always_fits for one in options])
    for number in range(len(options)):
        rows.add(np.flatnonzero(columns.turno == number))
    alone = np.flatnonzero(of_place < 0)
    takers = np.concatenate([alone, count + np.arange(len(sessions))])
    lead = np.concatenate([alone, sessions]).astype(np.int64)
    for clique in _cliques(columns.member[lead], columns.busy_from[lead], columns.busy_to[lead]):
        rows.add(takers[clique])
    for session in range(len(sessions)):
        inside = np.flatnonzero(of_place == count + session)
        rows.add_shared(inside, count + session, int(columns.seats[inside].min()))
    for clique in _own(options, columns):
        rows.add(clique)
    matrix, most = rows.matrix()
    cost = np.concatenate([columns.cost, np.zeros(len(sessions), dtype=np.int64)])
    return Programme(cost, matrix, most, certain, count)


def _sessions(columns: Columns) -> tuple[Ints, Ints]:
    """A place of each session that several may share, and for each place the column of its session."""
    keys: dict[tuple[int, int, int], int] = {}
    lead: list[int] = []
    of_place = np.full(len(columns), -1, dtype=np.int64)
    for index in np.flatnonzero(columns.seats > 1):
        key = (int(columns.service[index]), int(columns.member[index]), int(columns.start[index]))
        if key not in keys:
            keys[key] = len(lead)
            lead.append(int(index))
        of_place[index] = len(columns) + keys[key]
    return np.array(lead, dtype=np.int64), of_place


class _Rows:
    """Rows of a sparse matrix, as they come."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._columns: list[Ints] = []
        self._values: list[Ints] = []
        self._most: list[int] = []

    def add(self, columns: Ints) -> None:
        """At most one of these."""
        self._put(columns, np.ones(len(columns), dtype=np.int64), 1)

    def add_shared(self, inside: Ints, session: int, seats: int) -> None:
        """At most ``seats`` of these, and none unless the session takes place."""
        full = np.append(np.ones(len(inside), dtype=np.int64), -seats)
        self._put(np.append(inside, session), full, 0)
        for column in inside:
            self._put(np.array([column, session]), np.array([1, -1]), 0)

    def _put(self, columns: Ints, values: Ints, most: int) -> None:
        self._columns.append(columns)
        self._values.append(values)
        self._most.append(most)

    def matrix(self) -> tuple[csr_array, Ints]:
        """The matrix and its right side."""
        ends = np.cumsum([0, *(len(one) for one in self._columns)])
        parts = (np.concatenate(self._values).astype(np.float64), np.concatenate(self._columns), ends)
        return csr_array(parts, shape=(len(self._most), self._width)), np.array(self._most)


def _cliques(group: Ints, begin: Ints, end: Ints) -> Iterator[Ints]:
    """The largest sets within a group of intervals that all contain one instant, two or more each."""
    for one in np.unique(group):
        inside = np.flatnonzero(group == one)
        instants, ends = np.unique(begin[inside]), np.unique(end[inside])
        following = np.append(instants[1:], _NEVER)
        is_last = np.searchsorted(ends, following, "right") > np.searchsorted(ends, instants, "right")
        for instant in instants[is_last]:
            found = inside[(begin[inside] <= instant) & (end[inside] > instant)]
            if len(found) > 1:
                yield found


def _own(options: Sequence[Options], columns: Columns) -> Iterator[Ints]:
    """Places of one client's several turnos that overlap: nobody is at two places at once (R14)."""
    of_client: defaultdict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(options):
        if one.affected.client is not None and len(one):
            of_client[one.affected.client].append(number)
    durations = np.array([one.kind.duration for one in options])
    for numbers in of_client.values():
        if len(numbers) > 1:
            inside = np.flatnonzero(np.isin(columns.turno, numbers))
            start = columns.start[inside]
            everyone = np.zeros(len(inside), dtype=np.int64)
            for clique in _cliques(everyone, start, start + durations[columns.turno[inside]]):
                yield inside[clique]


def is_disjoint(options: Sequence[Options], columns: Columns) -> bool:
    """Whether two places either are the same or never meet, so that choosing is a mere assignment."""
    clients = Counter(one.affected.client for one in options if one.affected.client is not None)
    if any(count > 1 for count in clients.values()) or bool((columns.seats > 1).any()):
        return False
    spans = np.unique(np.stack([columns.member, columns.busy_from, columns.busy_to]), axis=1)
    same_member = spans[0][1:] == spans[0][:-1]
    return not bool((same_member & (spans[1][1:] < spans[2][:-1])).any())
