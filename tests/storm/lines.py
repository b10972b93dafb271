"""The lines between apps and a gateway, of which a storm cuts one now and then."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Lines:
    """Listens where apps connect, and carries their bytes on."""

    def __init__(self, to_url: str) -> None:
        self._host, self._port = urlsplit(to_url).hostname, urlsplit(to_url).port
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.url = ""

    def cut(self, chance: random.Random) -> None:
        """One of them is gone from one moment to the other, as when a phone loses its net."""
        if self._open:
            chance.choice(list(self._open.values())).transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        this = asyncio.current_task()
        assert this is not None
        self._open[this] = writer
        try:
            with suppress(OSError):
                there, back = await asyncio.open_connection(self._host, self._port)
                pumps = [asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer))]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
                    back.transport.abort()
        finally:
            writer.transport.abort()
            del self._open[this]

    async def end(self) -> None:
        """Cuts all of them."""
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()


@asynccontextmanager
async def lines_to(url: str) -> AsyncGenerator[Lines]:
    """Open as long as the block lasts."""
    lines = Lines(url)
    async with await asyncio.start_server(lines.carry, "127.0.0.1", 0) as listening:
        lines.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        try:
            yield lines
        finally:
            await lines.end()
