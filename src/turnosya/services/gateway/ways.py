"""The way to each service: its application in this process, or its copies over HTTP."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic

from starlette.types import ASGIApp, Message, Scope

from turnosya.runtime.messages import Unavailable
from turnosya.services.gateway.exchange import Exchange, HandOver
from turnosya.services.gateway.hygiene import SERVICE, Outwards
from turnosya.services.gateway.in_process import InProcess
from turnosya.services.gateway.over_http import OverHttp
from turnosya.services.gateway.paths import OWN

# Anyone may ask whether we are ready, as often as they like.
READY_CACHED_S = 1.0


class Ways:
    """Finds the hand-over of a service; ``neighbours`` are this process's own and fill as they open."""

    def __init__(
        self, neighbours: Mapping[str, ASGIApp], urls: Mapping[str, tuple[str, ...]], *, timeout_s: float
    ) -> None:
        self._neighbours = neighbours
        self._timeout_s = timeout_s
        self._asking_ready = asyncio.Lock()
        self._ready_until = float("-inf")
        self._were_ready = False
        self._far = {name: OverHttp(copies, timeout_s=timeout_s) for name, copies in urls.items()}

    def to(self, service: str) -> HandOver:
        """Raises Unavailable for a service that is neither here nor has an address."""
        app = self._neighbours.get(service)
        if app is not None:
            return InProcess(app, timeout_s=self._timeout_s)
        far = self._far.get(service)
        if far is None:
            raise Unavailable
        return far

    async def get(self, service: str, path: str) -> bytes:
        """The body that a service answers to our own question; Unavailable for anything but 200."""
        asking = _Asking()
        scope = asking.scope(service, path)
        outwards = Outwards(cors_origins=frozenset(), https_only=False)
        exchange = Exchange(
            scope, asking.receive, asking.send, outwards=outwards, on_access_ended=lambda _: None
        )
        await self.to(service)(scope, exchange)
        if asking.status != HTTPStatus.OK:
            raise Unavailable
        return bytes(asking.body)

    async def neighbours_are_ready(self) -> bool:
        """Whether every other service of this process can serve. Asked at most every second."""
        async with self._asking_ready:
            if monotonic() >= self._ready_until:
                self._were_ready = await self._ask_whether_ready()
                self._ready_until = monotonic() + READY_CACHED_S
        return self._were_ready

    async def _ask_whether_ready(self) -> bool:
        asking = [self.get(service, "/readyz") for service in self._neighbours if service != OWN]
        answers = await asyncio.gather(*asking, return_exceptions=True)
        return not any(isinstance(answer, BaseException) for answer in answers)

    async def close(self) -> None:
        """Closes the kept connections."""
        for far in self._far.values():
            await far.close()


class _Asking:
    """A request that the gateway makes itself."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self._asked = False

    def scope(self, service: str, path: str) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("ascii"),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"gateway"), (SERVICE, service.encode("ascii"))],
            "client": None,
            "server": None,
            "state": {},
        }

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # We never hang up; the asker is cancelled instead.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")
