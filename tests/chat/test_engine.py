"""What waits for a reader has bounds, in packets and in bytes."""

from typing import Any, cast

import pytest
from engineio import async_socket

from turnosya.services.chat import packed
from turnosya.services.chat.sockets.engine import MAX_QUEUED_BYTES, MAX_QUEUED_PACKETS, Engine, Fenced


def a_socket_nobody_reads(engine: Engine) -> Fenced:
    library: Any = async_socket
    engine.sockets["sid"] = library.AsyncSocket(engine, "sid")
    fenced = engine.fence("sid")
    cast("Any", fenced).connected = True
    return fenced


@pytest.mark.parametrize(
    ("characters", "taken"),
    [(1, MAX_QUEUED_PACKETS), (40_000, MAX_QUEUED_BYTES // 40_000)],
    ids=["many", "long"],
)
async def test_a_queue_that_nobody_empties_ends_its_socket(characters: int, taken: int) -> None:
    engine = Engine(ping_interval_s=25)
    socket = a_socket_nobody_reads(engine)
    event = packed.event("message:new", {"text": "x" * characters})
    handed = 0
    while await engine.hand("sid", event):
        handed += 1
        assert socket.queue.qsize() <= MAX_QUEUED_PACKETS
        assert socket.queue.qsize() * characters <= MAX_QUEUED_BYTES
    assert (handed, socket.closed) == (taken, True)
    assert not await engine.hand("sid", event)


async def test_who_reads_is_never_given_up_however_much_there_is() -> None:
    engine = Engine(ping_interval_s=25)
    socket = a_socket_nobody_reads(engine)
    event = packed.event("message:new", {"text": "x" * 40_000})
    for _ in range(20):
        for _ in range(20):
            assert await engine.hand("sid", event)
        assert len(await socket.poll()) == 20
