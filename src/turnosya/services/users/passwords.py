"""Hashing of passwords, away from the loop."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from turnosya.runtime.messages import Unavailable

T = TypeVar("T")

# OWASP's first choice for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1


class Passwords:
    """argon2id in a bounded pool of threads: a flood of log-ins takes its cores, never the loop."""

    def __init__(self, *, workers: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._room = workers + queue
        # Checked in place of an account that does not exist, so that it costs the same time.
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The hash to store, its parameters included."""
        return await self._run(lambda: self._hasher.hash(password))

    async def match(self, password: str, stored: str | None) -> bool:
        """Whether this is the password of ``stored``; without one, no, after the same time."""
        matches = await self._run(lambda: self._verify(stored or self._nobodys, password))
        return matches and stored is not None

    def close(self) -> None:
        """Ends the threads once their present work is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room == 0:
            raise Unavailable(retry_after_s=5)
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._room += 1
