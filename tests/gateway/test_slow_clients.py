"""Five hundred clients that send a byte now and then hold up nobody, and lose their connections at last."""

import asyncio
from contextlib import AsyncExitStack

from tests.gateway.wire import Line, ask, echo, line, listening
from turnosya.services.gateway.doorway import WireLimits

SLOW = 500
HEAD = b"GET /v1/users/me HTTP/1.1\r\nHost: api.test\r\nX-A: "
BODY = b"POST /v1/users HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1000\r\n\r\n"
HONEST = b"GET /v1/businesses HTTP/1.1\r\nHost: api.test\r\n\r\n"


async def _trickle(connection: Line, begun: bytes) -> int:
    """One byte at a time until it is answered; the status."""
    connection.say(begun)
    hearing = asyncio.ensure_future(connection.hear())
    while not hearing.done():
        connection.say(b"a")
        await asyncio.wait({hearing}, timeout=0.25)
    return (await hearing).status


async def test_honest_requests_are_answered_while_500_clients_trickle() -> None:
    limits = WireLimits(
        # The real ones are 10 s and 5 s; everything else is as it is.
        header_s=2,
        body_grace_s=2,
        linger_s=0.05,
        connections_per_address=None,
    )
    async with AsyncExitStack() as stack, asyncio.timeout(50):
        port = await stack.enter_async_context(listening(echo, limits))
        lines = [await stack.enter_async_context(line(port)) for _ in range(SLOW)]
        slow = [
            asyncio.ensure_future(_trickle(one, HEAD if number % 2 else BODY))
            for number, one in enumerate(lines)
        ]
        honest = 0
        while not all(one.done() for one in slow):
            assert (await ask(port, HONEST)).status == 200
            honest += 1
        assert [await one for one in slow] == [408] * SLOW
        # Many of them while the slow ones were there, not one after they had gone.
        assert honest > 20
        assert (await ask(port, HONEST)).status == 200


async def test_with_the_cap_one_address_cannot_hold_so_many() -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(echo, WireLimits(linger_s=0.05)))
        lines = [await stack.enter_async_context(line(port)) for _ in range(101)]
        for one in lines:
            one.say(HEAD)
        assert (await lines[-1].hear()).problem()["code"] == "rate_limited"
