"""Idempotency keys of the public API: the first answer again, stored with the effect itself.

The key is taken with an advisory transaction lock and the answer stored in the transaction of the
effect, so that a kill leaves neither a stuck key nor an effect without its answer.
"""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from turnosya.runtime.database import Database, Transaction
from turnosya.runtime.messages import Kind, Say, ServiceError

_WAIT_S = 10.0
_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


class IdempotencyKeyReused(ServiceError):
    """The same key came with another body."""

    kind = Kind.INVALID
    says = Say(
        "Esa clave de idempotencia ya se usó con otro pedido.",
        "That idempotency key was used with another request.",
        "Essa chave de idempotência já foi usada com outro pedido.",
    )


class IdempotencyInProgress(ServiceError):
    """The first request with this key has run for over 10 s and has not answered."""

    kind = Kind.CONFLICT
    says = Say(
        "El primer pedido con esa clave todavía está en curso.",
        "The first request with that key is still running.",
        "O primeiro pedido com essa chave ainda está em andamento.",
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was given: its status and JSON body."""

    status: int
    answer: Any
    replayed: bool = False


def is_well_formed(key: str) -> bool:
    """1–255 visible ASCII characters."""
    return _KEY.match(key) is not None


_queues: dict[bytes, asyncio.Lock] = {}

STILL_KEPT = "kept_at > clock_timestamp() - interval '24 hours'"
"""Said of a row of ``kept_answers``: what is older answers nobody. ``is_still_so`` in turnos says it too."""


def into_kept(row: str) -> str:
    """The statement, or part of one, that keeps an answer: key, body's digest, status, answer (jsonb)."""
    return f"""
        INSERT INTO kept_answers (key, body_digest, status, answer) {row}
        ON CONFLICT (key) DO UPDATE SET body_digest = excluded.body_digest, status = excluded.status,
            answer = excluded.answer, kept_at = clock_timestamp()
    """


_READ = text(f"SELECT body_digest, status, answer FROM kept_answers WHERE key = :key AND {STILL_KEPT}")  # noqa: S608 - a constant
_KEEP = text(into_kept("VALUES (:key, :body_digest, :status, CAST(:answer AS jsonb))"))
_SWEEP = text(f"DELETE FROM kept_answers WHERE NOT {STILL_KEPT}")  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Once:
    """One request under an idempotency key; ``key`` is None when the caller sent none."""

    key: bytes | None
    body_digest: bytes

    @classmethod
    def of(cls, *, key: str | None, caller: str, method: str, path: str, body: object) -> "Once":
        """``caller`` is the user's id, or what stands for an anonymous one (the phone in the body)."""
        text_of_body = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        # Keyed with what only the caller has: a stolen table must not let a password in a body be guessed.
        digest = hmac.digest((key or "").encode(), text_of_body, "sha256")
        if key is None:
            return cls(None, digest)
        return cls(hashlib.sha256(f"{caller}\0{method}\0{path}\0{key}".encode()).digest(), digest)

    @property
    def lock_key(self) -> int | None:
        """The key of the advisory transaction lock, a signed 64-bit integer."""
        return None if self.key is None else int.from_bytes(self.key[:8], signed=True)

    @property
    def digest(self) -> str | None:
        """A text that stands for key and caller, for requests to other services on the way."""
        return None if self.key is None else self.key.hex()

    @asynccontextmanager
    async def queued(self) -> AsyncGenerator[None]:
        """Repeats within one process wait here, before they take a connection."""
        if self.key is None:
            yield
            return
        lock = _queues.setdefault(self.key, asyncio.Lock())
        try:
            async with asyncio.timeout(_WAIT_S):
                await lock.acquire()
        except TimeoutError:
            raise IdempotencyInProgress from None
        try:
            yield
        finally:
            lock.release()
            if not lock.locked() and not getattr(lock, "_waiters", None):
                _queues.pop(self.key, None)

    async def kept(self, tx: Transaction) -> Kept | None:
        """Locks the key in this transaction and reads the answer that was given, if one was."""
        if self.key is None:
            return None
        try:
            await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": self.lock_key})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == "55P03":
                raise IdempotencyInProgress from None
            raise
        row = (await tx.execute(_READ, {"key": self.key})).one_or_none()
        return None if row is None else self.matching(row.body_digest, row.status, row.answer)

    def matching(self, body_digest: bytes, status: int, answer: object) -> Kept:
        """The kept answer, if it answered this very body; raises ``IdempotencyKeyReused``."""
        if bytes(body_digest) != self.body_digest:
            raise IdempotencyKeyReused
        return Kept(status, answer, replayed=True)

    def keeping(self, status: int, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        """The values of the row that is kept."""
        return {
            "key": self.key,
            "body_digest": self.body_digest,
            "status": status,
            "answer": json.dumps(answer),
        }

    async def keep(self, tx: Transaction, status: int, answer: Mapping[str, Any] | None) -> None:
        """Stores the answer with the effect."""
        if self.key is not None:
            await tx.execute(_KEEP, self.keeping(status, answer))

    async def answer(
        self, db: Database, work: Callable[[Transaction], Awaitable[tuple[int, Mapping[str, Any] | None]]]
    ) -> Kept:
        """Runs ``work`` in one transaction, or gives the first answer again.

        ``work`` returns a 2xx status and the JSON body; what it raises leaves the key free.
        """
        async with self.queued(), db.transaction() as tx:
            kept = await self.kept(tx)
            if kept is not None:
                return kept
            status, answer = await work(tx)
            await self.keep(tx, status, answer)
            return Kept(status, answer)


async def sweep(db: Database) -> None:
    """Deletes answers whose 24 hours are over."""
    async with db.transaction() as tx:
        await tx.execute(_SWEEP)
