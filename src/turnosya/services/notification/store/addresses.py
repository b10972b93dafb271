"""The SQL of addresses that nothing may go to, and of channels that rest or are paced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from turnosya.runtime.database import Transaction
from turnosya.services.notification.rules import Channel, Pace, Way

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
# A channel's next_at is when all that has gone would have gone at an even pace: what lies ahead is in debt.
_OUTLOOK = text(
    "SELECT CASE WHEN paused_until > clock_timestamp() THEN paused_for END AS paused_for,"
    " greatest(extract(epoch FROM next_at - clock_timestamp()), 0)::float8 AS ahead_s"
    " FROM channels WHERE channel = :channel"
)
_HOLD = text(
    "SELECT greatest(extract(epoch FROM next_at - clock_timestamp()), 0)::float8 FROM channels"
    " WHERE channel = :channel FOR UPDATE"
)
_BEGIN = text("INSERT INTO channels (channel) VALUES (:channel) ON CONFLICT DO NOTHING")
_COUNT = text(
    "UPDATE channels SET next_at = greatest(next_at, clock_timestamp()) + make_interval(secs => :by_s)"
    " WHERE channel = :channel"
)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Why nothing goes out on a channel now, if so, and how far ahead of its pace it is."""

    paused_for: str | None = None
    ahead_s: float = 0.0


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


async def outlook(tx: Transaction, channel: Channel) -> Outlook:
    """A look at a channel that holds nobody up."""
    found = (await tx.execute(_OUTLOOK, {"channel": channel})).one_or_none()
    return Outlook() if found is None else Outlook(found.paused_for, found.ahead_s)


async def take_room(tx: Transaction, channel: Channel, *, pace: Pace, wanted: int) -> int:
    """How many of ``wanted`` may go now; no copy takes room before this transaction ends."""
    held = (await tx.execute(_HOLD, {"channel": channel})).scalar_one_or_none()
    if held is None:
        # The first ever on this channel: of two copies one makes the row, and both hold it in turn.
        await tx.execute(_BEGIN, {"channel": channel})
        held = (await tx.execute(_HOLD, {"channel": channel})).scalar_one()
    taken = min(wanted, pace.room(held))
    if taken:
        await count(tx, channel, pace=pace, sent=taken)
    return taken


async def count(tx: Transaction, channel: Channel, *, pace: Pace, sent: int) -> None:
    """So many went, whether there was room or not: who comes next waits for it."""
    await tx.execute(_COUNT, {"channel": channel, "by_s": sent / pace.per_s})
