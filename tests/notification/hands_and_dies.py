"""A process that tells people of three codes and three turnos, and is killed or frozen at one step of it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from tests.servers import Servers
from tests.stage import Stage, a_bus, a_transport
from turnosya.runtime.bus import Envelope
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.settings import Environment, MessagingSettings, load
from turnosya.services.notification import handing
from turnosya.services.notification.channels.outcome import Outgoing
from turnosya.services.notification.channels.providers import Providers
from turnosya.services.notification.context import CODES, LANES, NEWS, Notification
from turnosya.services.notification.service import service as notification
from turnosya.services.notification.store import deliveries as store
from turnosya.services.notification.store import handing as handing_store
from turnosya.services.users.service import service as users

SERVICES = (users, notification)
# In the order in which a delivery comes through them; claimed is committed, claiming is not yet.
STEPS = ("heard", "queueing", "queued", "claiming", "claimed", "asked", "recording", "recorded")
# Between these nobody can know whether a provider has been asked, or what it said.
IN_HAND = frozenset({"claimed", "asked", "recording"})
# The second to come by: one is through already, and others are not yet there. All are claimed at once.
DIES_WITH = {step: 1 if step == "claiming" else 2 for step in STEPS}


class Killer:
    """Ends or stops this process with the second delivery of a lane that comes to a step."""

    def __init__(self, step: str, lane: str, number: int = signal.SIGKILL) -> None:
        self._step, self._lane, self._seen, self._signal = step, lane, 0, number
        self.all_told = asyncio.Event()
        self._in_hand = 0

    @property
    def is_over(self) -> bool:
        """It has come back from its signal, and has nothing in its hands."""
        return self._seen >= DIES_WITH[self._step] and self._in_hand == 0

    def pass_by(self, step: str, lane: str) -> None:
        """Somebody of this lane is at this step."""
        self._in_hand += {"claimed": 1, "recorded": -1}.get(step, 0)
        if (step, lane) == (self._step, self._lane):
            self._seen += 1
            if self._seen == DIES_WITH[step]:
                os.kill(os.getpid(), self._signal)

    def around(
        self,
        function: Callable[..., Awaitable[Any]],
        *,
        before: str | None = None,
        after: str | None = None,
    ) -> Callable[..., Awaitable[Any]]:
        """The function, passing by one step before it and one after it."""

        async def passing(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever it gives
            await self.all_told.wait()
            lane = lane_of(*args)
            if before is not None:
                self.pass_by(before, lane)
            answer = await function(*args, **more)
            if after is not None and answer != []:
                self.pass_by(after, lane)
            return answer

        return passing

    def lie_in_wait(self) -> None:
        """Stands at every step: the functions that make one are wrapped."""
        wake = Notification.wake

        def wake_or_die(here: Notification, lane: str, *channels: Any) -> None:  # noqa: ANN401
            self.pass_by("queued", lane)
            wake(here, lane, *channels)

        places: list[tuple[Any, str, str | None, str | None]] = [
            (store, "add", "heard", "queueing"),
            (handing_store, "claim", None, "claiming"),
            (handing, "hand", "claimed", "recorded"),
            (Providers, "send", None, "asked"),
            (handing, "record", None, "recording"),
        ]
        for owner, name, before, after in places:
            setattr(owner, name, self.around(getattr(owner, name), before=before, after=after))
        Notification.wake = wake_or_die  # type: ignore[method-assign, assignment]


def lane_of(*args: object) -> str:
    """The lane that a call is about: one of its arguments, or that of what it hands on."""
    for one in args:
        first = cast("list[object]", one)[0] if isinstance(one, list) else one
        if isinstance(first, store.Delivery | store.NewDelivery):
            return first.lane
        if isinstance(first, Outgoing):
            return NEWS if first.code is None else CODES
        if isinstance(first, str) and first in LANES:
            return first
    raise AssertionError("a step of no lane")


async def main(told: Mapping[str, Any]) -> None:
    """Goes on where the test has left its stage, up to the kill."""
    queues: dict[str, frozenset[str]] = {}
    for service in SERVICES:
        queues |= service.queues()
    transport = await a_transport(queues, told["broker_url"])
    bus = a_bus(transport, load(MessagingSettings, dict(told["settings"])), source="test")

    async def no_keys() -> list[Mapping[str, str]]:
        return []

    stage = Stage(
        Servers(),
        Environment.PRODUCTION,
        TokenVerifier(no_keys),
        told["settings"],
        queues,
        told["broker_url"],
        transport,
        bus,
        urls=told["urls"],
    )
    killer = Killer(told["step"], told["lane"], told["signal"])
    killer.lie_in_wait()
    for service in SERVICES:
        await stage.put_on(service)
    for wire_name, body, headers in cast("list[tuple[str, str, dict[str, str]]]", told["envelopes"]):
        await bus.deliver(Envelope(wire_name, body.encode(), headers))
    killer.all_told.set()
    async with asyncio.timeout(30):
        while not killer.is_over:  # noqa: ASYNC110 - whatever ends it comes from outside
            await asyncio.sleep(0.05)
