"""The process that starts, hurts and ends the servers of a test run (see ``tests/servers.py``).

Orders come as one line of JSON a connection. All ends, and the folder goes, when its input ends: with the
test run that started it, killed or not.
"""

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tests.private_servers import PrivateProcess, Wheel

WARDEN_VARIABLE = "TURNOSYA_TEST_WARDEN"


class Warden:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = os.environ.pop(WARDEN_VARIABLE)
        self._servers: dict[str, PrivateProcess | Wheel] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry out one order."""
        asked = cast("dict[str, str]", json.loads(await reader.readline()))
        if asked["key"] == self._key:
            answer = await self._carry_out(asked["order"], asked["name"])
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _carry_out(self, order: str, name: str) -> dict[str, str]:
        # Late, for most runs of a few tests need no server and should not wait for these imports.
        from tests.private_servers import CannotRun, make

        async with self._turns.setdefault(name, asyncio.Lock()):
            try:
                if name not in self._servers:
                    if order == "remove":
                        return {"url": ""}
                    folder = self._folder / name.replace("/", "-")
                    folder.mkdir(mode=0o700)
                    self._servers[name] = make(name, folder)
                server = self._servers[name]
                await {
                    "start": server.start,
                    "stop": server.stop,
                    "kill": server.kill,
                    "remove": server.kill,
                }[order]()
                if order == "remove":
                    del self._servers[name]
            except CannotRun as error:
                return {"error": str(error)}
            return {"url": server.url, "pid": str(server.pid)}

    async def end(self) -> None:
        """Without ceremony: nobody will read these data again."""
        await asyncio.gather(*(server.kill() for server in self._servers.values()))


async def run(listener: socket.socket, folder: Path) -> None:
    warden = Warden(folder)
    async with await asyncio.start_server(warden.answer, sock=listener):
        await asyncio.to_thread(sys.stdin.read)
        await warden.end()


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="turnosya-tests-"))
    try:
        asyncio.run(run(socket.socket(fileno=int(sys.argv[1])), folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
