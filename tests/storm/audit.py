"""After a storm: what clients were told against what the databases hold."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg

from tests.flows.systems import System
from tests.storm.ledger import KnownTurno, Ledger
from tests.storm.people import PATIENCE_S

# What each side is told of each step of a turno's history.
_TOLD = {"booked": "appointment_booked", "moved": "appointment_moved", "cancelled": "appointment_cancelled"}


async def audit(system: System, ledger: Ledger) -> list[str]:
    """Everything that is missing or doubled, a sentence each; nothing of that is a good storm."""
    rows = await system.rows("turnos", "SELECT * FROM appointments")
    return [
        *(f"{call} had no answer for {PATIENCE_S:.0f} s" for call in ledger.given_up),
        *_turnos(rows, ledger),
        *await _twice(system),
        *_told(await _deliveries(system), ledger),
        *await _codes(system),
        *await _messages(system, ledger),
    ]


def _turnos(rows: list[asyncpg.Record], ledger: Ledger) -> Iterable[str]:
    stored = {row["id"]: row for row in rows}
    for known in ledger.turnos.values():
        row = stored.pop(known.id, None)
        if row is None:
            yield f"turno {known.id} was acknowledged and is not there"
        else:
            yield from _differs(known, row)
    unanswered = Counter(ledger.unanswered_bookings)
    for row in stored.values():
        who = (row["client_id"], row["starts_at"])
        if unanswered[who] == 0:
            yield f"turno {row['id']} is there and nobody asked for it, or it was booked twice"
        unanswered[who] -= 1


def _differs(known: KnownTurno, row: asyncpg.Record) -> Iterable[str]:
    steps = [line["what"] for line in json.loads(row["history"])]
    if known.is_unsure:
        if steps[: len(known.steps)] != known.steps or len(steps) > len(known.steps) + 1:
            yield f"turno {known.id}: acknowledged {known.steps}, stored {steps}"
        return
    if steps != known.steps:
        yield f"turno {known.id}: acknowledged {known.steps}, stored {steps}"
    if row["starts_at"] != known.starts_at:
        yield f"turno {known.id}: acknowledged for {known.starts_at}, stored for {row['starts_at']}"
    if (row["status"] == "cancelled") != (known.steps[-1] == "cancelled"):
        yield f"turno {known.id}: its last step was {known.steps[-1]}, it is {row['status']}"


async def _twice(system: System) -> list[str]:
    found = await system.rows(
        "turnos",
        "SELECT a.id AS one, b.id AS other FROM appointments a JOIN appointments b"
        " ON a.staff_id = b.staff_id AND a.id < b.id AND a.busy_from < b.busy_to AND b.busy_from < a.busy_to"
        " WHERE a.status <> 'cancelled' AND b.status <> 'cancelled' AND a.capacity = 1",
    )
    return [
        f"turnos {row['one']} and {row['other']} are at the same time with the same person" for row in found
    ]


async def _deliveries(system: System) -> list[asyncpg.Record]:
    return await system.rows(
        "notification",
        "SELECT user_id, template, state, data ->> 'appointment_id' AS turno FROM deliveries"
        " WHERE template = ANY($1)",
        list(_TOLD.values()),
    )


def _told(deliveries: list[asyncpg.Record], ledger: Ledger) -> Iterable[str]:
    told: Counter[tuple[UUID, UUID, str]] = Counter()
    for row in deliveries:
        told[UUID(row["turno"]), row["user_id"], row["template"]] += 1
    for known in ledger.turnos.values():
        if known.is_unsure:
            continue
        for side in (known.client_id, known.owner_id):
            for template, times in Counter(_TOLD[step] for step in known.steps).items():
                got = told[known.id, side, template]
                if got != times:
                    yield f"turno {known.id}: {side} was told {template} {got} times instead of {times}"


async def _messages(system: System, ledger: Ledger) -> list[str]:
    """Each acknowledged message has its number and no other has, and the numbers have no gap."""
    rows = await system.rows(
        "chat", "SELECT conversation_id, seq, sender_id, client_message_id FROM messages"
    )
    stored = {
        (str(row["conversation_id"]), row["sender_id"], row["client_message_id"]): row["seq"] for row in rows
    }
    wrong = [
        f"message {key} was acknowledged as {seq} and is {stored.get(key)}"
        for key, seq in ledger.messages.items()
        if stored.get(key) != seq
    ]
    numbers: dict[UUID, list[int]] = {}
    for row in rows:
        numbers.setdefault(row["conversation_id"], []).append(row["seq"])
    wrong += [
        f"conversation {talk} has a gap or a double"
        for talk, found in numbers.items()
        if sorted(found) != list(range(1, len(found) + 1))
    ]
    return wrong


async def _codes(system: System) -> list[str]:
    """Each code was sent once."""
    rows: list[Any] = await system.rows(
        "notification",
        "SELECT occasion, count(*) AS times FROM deliveries WHERE template = 'code_requested'"
        " AND state NOT IN ('failed', 'suppressed') GROUP BY occasion HAVING count(*) > 1",
    )
    return [f"code {row['occasion']} went out {row['times']} times" for row in rows]


def summary(ledger: Ledger) -> dict[str, int]:
    """How much there was to audit."""
    return {
        "turnos": len(ledger.turnos),
        "changes": sum(len(known.steps) - 1 for known in ledger.turnos.values()),
        "messages": len(ledger.messages),
        "log-ins": sum(ledger.log_ins.values()),
        "tries": len(ledger.tries),
        "tries without an answer": sum(not one.is_answered for one in ledger.tries),
        "bookings given up": len(ledger.unanswered_bookings),
        "changes given up": sum(known.is_unsure for known in ledger.turnos.values()),
        "kills": len(ledger.faults),
    }
