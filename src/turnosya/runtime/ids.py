"""Ids of everything: UUIDv7 (RFC 9562 §5.7), made here because PostgreSQL 15 cannot make them."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_last = 0
_lock = threading.Lock()


def new_id() -> UUID:
    """A UUIDv7: 48 bits of real milliseconds, then a counter and random bits.

    Ids made by one process are strictly increasing, so that sorting by id is sorting by creation.
    """
    global _last  # noqa: PLW0603 - the one piece of state that keeps ids of a millisecond in order
    # 60 bits of time: milliseconds and 12 bits below, which stand in the place of rand_a (method 3 of §6.2).
    with _lock:
        _last = max(_last + 1, (time.time_ns() << 12) // 1_000_000)
        moment = _last
    high = (moment >> 12) << 16 | 0x7000 | (moment & 0xFFF)
    low = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    return UUID(int=high << 64 | low)
