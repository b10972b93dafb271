"""The SQL of addresses that nothing may go to, and of channels that rest or are paced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from turnosya.runtime.database import Transaction
from turnosya.services.notification.rules import Channel, Way

_SHUT = text(
    "SELECT channel, address FROM suppressions"
    " WHERE address = ANY(:addresses) AND (until IS NULL OR until > clock_timestamp())"
)
# Whoever said STOP stays so whatever a provider says of the address later.
_SHUT_NOW = text(
    "INSERT INTO suppressions (channel, address, reason, until)"
    " VALUES (:channel, :address, :reason, clock_timestamp() + CAST(:rest AS interval))"
    " ON CONFLICT (channel, address) DO UPDATE SET reason = excluded.reason, until = excluded.until"
    " WHERE suppressions.reason <> 'opted_out' OR excluded.reason = 'opted_out'"
)
_OPEN = text("DELETE FROM suppressions WHERE channel = :channel AND address = :address")
_FORGET_SHUT = text("DELETE FROM suppressions WHERE until < clock_timestamp()")
_PAUSE = text(
    "INSERT INTO channels (channel, paused_until, paused_for)"
    " VALUES (:channel, clock_timestamp() + CAST(:rest AS interval), :reason)"
    " ON CONFLICT (channel) DO UPDATE SET paused_for = excluded.paused_for,"
    " paused_until = greatest(channels.paused_until, excluded.paused_until)"
)
_IS_PAUSED = text(
    "SELECT paused_for FROM channels WHERE channel = :channel AND paused_until > clock_timestamp()"
)
# How many may go now at so many a second: as many as fit between the last one's time and a second ahead.
_PACE = text(
    """
    INSERT INTO channels (channel, next_at)
    VALUES (:channel, clock_timestamp() + make_interval(secs => CAST(:taken AS float8) / :per_s))
    ON CONFLICT (channel) DO UPDATE SET
        next_at = greatest(channels.next_at, clock_timestamp())
                  + make_interval(secs => CAST(:taken AS float8) / :per_s)
    """
)
_ROOM = text(
    "SELECT coalesce((SELECT floor(extract(epoch FROM clock_timestamp() + make_interval(secs => :ahead_s)"
    " - greatest(next_at, clock_timestamp())) * :per_s) FROM channels WHERE channel = :channel FOR UPDATE),"
    " :ahead_s * :per_s)"
)


async def shut(tx: Transaction, ways: Sequence[Way]) -> set[Way]:
    """Those of these ways that nothing may go to."""
    if not ways:
        return set()
    rows = await tx.execute(_SHUT, {"addresses": [address for _, address in ways]})
    return {(row.channel, row.address) for row in rows} & set(ways)


async def shut_now(
    tx: Transaction, channel: Channel, address: str, *, reason: str, rest: timedelta | None = None
) -> None:
    """Nothing may go there from now on, or for a while."""
    await tx.execute(_SHUT_NOW, {"channel": channel, "address": address, "reason": reason, "rest": rest})


async def open_again(tx: Transaction, channel: Channel, address: str) -> None:
    """Messages may go there again."""
    await tx.execute(_OPEN, {"channel": channel, "address": address})


async def forget_shut(tx: Transaction) -> None:
    """Deletes what was for a while that is over."""
    await tx.execute(_FORGET_SHUT)


async def pause(tx: Transaction, channel: Channel, *, rest: timedelta, reason: str) -> None:
    """Nothing goes out on a channel for a while, from no copy of the service."""
    await tx.execute(_PAUSE, {"channel": channel, "rest": rest, "reason": reason})


async def paused_for(tx: Transaction, channel: Channel) -> str | None:
    """Why nothing goes out on a channel now; None when it does."""
    found: Any = (await tx.execute(_IS_PAUSED, {"channel": channel})).scalar_one_or_none()
    return None if found is None else str(found)


async def room(tx: Transaction, channel: Channel, *, per_s: float, ahead_s: float) -> int:
    """How many messages may go now; nobody else takes room before this transaction ends."""
    values = {"channel": channel, "per_s": per_s, "ahead_s": ahead_s}
    return max(0, int((await tx.execute(_ROOM, values)).scalar_one()))


async def take_room(tx: Transaction, channel: Channel, *, per_s: float, taken: int) -> None:
    """So many go now."""
    await tx.execute(_PACE, {"channel": channel, "per_s": per_s, "taken": taken})
