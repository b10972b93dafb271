"""Events that failed after their last retry, of one service: shown, tried again, or thrown away.

A dead letter is a row of the service's inbox. Each service answers ``<service>.DeadLetters`` as it
answers its ping: whoever looks after all of them asks by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text

from turnosya.runtime.bus import STATUS, Bus, Envelope
from turnosya.runtime.database import Database

# What an event of one hearer is called from outside: the same for ever, and no second column to keep.
_ID = "CAST(md5(event_id::text || ' ' || hearer) AS uuid)"
# Of an event with a secret only this is kept: there is nothing left to try.
_EMPTY = b"{}"
_LIST = text(
    f"""
    SELECT {_ID} AS id, event_id, wire_name AS event, hearer, attempts, request_id, received_at,
           done_at AS died_at, coalesce(error, '') AS error, body
    FROM inbox
    WHERE state = 'dead'
      AND (CAST(:died_before AS timestamptz) IS NULL
           OR (done_at, {_ID}) < (CAST(:died_before AS timestamptz), CAST(:id_before AS uuid)))
    ORDER BY done_at DESC, {_ID} DESC LIMIT :limit
    """  # noqa: S608 - constants of this file
)
_REPLAY = text(
    f"""
    UPDATE inbox SET state = 'waiting', attempts = 0, due_at = now(), done_at = NULL, lease = NULL,
                     leased_until = NULL
    WHERE state = 'dead' AND {_ID} = :id AND body <> :empty RETURNING 1
    """  # noqa: S608 - constants of this file
)
_DROP = text(f"DELETE FROM inbox WHERE state = 'dead' AND {_ID} = :id RETURNING 1")  # noqa: S608 - constants of this file
_IS_THERE = text(f"SELECT 1 FROM inbox WHERE state = 'dead' AND {_ID} = :id")  # noqa: S608 - constants of this file


class DeadLetter(BaseModel):
    """One event that one hearer could not handle; ``body`` is None when it carried a secret."""

    id: UUID
    event_id: UUID
    service: str
    event: str
    hearer: str
    attempts: int
    request_id: str | None
    received_at: datetime
    died_at: datetime
    error: str
    body: dict[str, Any] | None


class Outcome(StrEnum):
    """What became of a wish to replay or drop."""

    DONE = "done"
    UNKNOWN = "unknown"
    NOTHING_KEPT = "nothing_kept"


class Wish(BaseModel):
    """What is asked of one service: a page of its dead letters, or something for one of them."""

    do: str
    id: UUID | None = None
    died_before: datetime | None = None
    limit: int = 100


class Reply(BaseModel):
    """``letters`` of a list, the latest first; ``outcome`` of all else."""

    letters: list[DeadLetter] = []
    outcome: Outcome = Outcome.UNKNOWN


def wire_name(service: str) -> str:
    """The request that this service answers."""
    return f"{service}.DeadLetters"


async def ask(bus: Bus, service: str, wish: Wish) -> Reply:
    """Asks a service; raises ``Unavailable`` when it does not answer."""
    return Reply.model_validate(await bus.call_raw(wire_name(service), wish.model_dump(mode="json")))


async def answer(bus: Bus, service: str, db: Database | None) -> None:
    """Answers for a service; one without a database has no dead letters."""

    async def work(envelope: Envelope) -> Envelope:
        wish = Wish.model_validate_json(envelope.body)
        reply = Reply() if db is None else await _answered(db, service, wish)
        return Envelope(envelope.wire_name, reply.model_dump_json().encode(), {STATUS: "ok"})

    await bus.answer_raw(wire_name(service), work)


async def _answered(db: Database, service: str, wish: Wish) -> Reply:
    if wish.do == "list":
        values = {"died_before": wish.died_before, "id_before": wish.id, "limit": wish.limit}
        return Reply(letters=[_letter(service, row) for row in await db.write(_LIST, values)])
    if wish.do == "drop":
        found: Sequence[Any] = await db.write(_DROP, {"id": wish.id})
    else:
        found = await db.write(_REPLAY, {"id": wish.id, "empty": _EMPTY})
        if not found and await db.write(_IS_THERE, {"id": wish.id}):
            return Reply(outcome=Outcome.NOTHING_KEPT)
    return Reply(outcome=Outcome.DONE if found else Outcome.UNKNOWN)


def _letter(service: str, row: Any) -> DeadLetter:  # noqa: ANN401 - a row of _LIST
    values: dict[str, Any] = dict(row)
    body = bytes(values.pop("body"))
    return DeadLetter(**values, service=service, body=None if body == _EMPTY else json.loads(body))
