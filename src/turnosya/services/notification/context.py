"""What every handler of notification is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import Clock
from turnosya.runtime.database import Database, current_delivery
from turnosya.runtime.links import Links
from turnosya.runtime.service import Host
from turnosya.runtime.settings import Environment
from turnosya.services.notification import wording
from turnosya.services.notification.channels.providers import Providers
from turnosya.services.notification.rules import TEMPLATES, Channel
from turnosya.services.notification.settings import NotificationSettings

log = structlog.get_logger()

CODES, NEWS = "codes", "news"
LANES = (CODES, NEWS)


@dataclass(frozen=True, slots=True)
class Line:
    """Deliveries that are sent apart from all others: a slow provider holds up its own news and no code."""

    lane: str
    channels: tuple[Channel, ...]


CODE_LINE = Line(CODES, ("whatsapp", "email"))
WHATSAPP_LINE, PUSH_LINE, MAIL_LINE = Line(NEWS, ("whatsapp",)), Line(NEWS, ("push",)), Line(NEWS, ("email",))
LINES = (CODE_LINE, WHATSAPP_LINE, PUSH_LINE, MAIL_LINE)


@dataclass(frozen=True, slots=True)
class Notification:
    """The open service. ``shows`` is true in development, where messages are shown instead of sent."""

    settings: NotificationSettings
    bus: Bus
    db: Database
    clock: Clock
    links: Links
    shows: bool
    limited: bool
    """False in development with TURNOSYA_RATE_LIMITS=off: the daily budget of codes is lifted."""
    providers: Providers = field(default_factory=Providers)
    waiting: dict[Line, asyncio.Event] = field(
        default_factory=lambda: {line: asyncio.Event() for line in LINES}
    )

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Notification]:
        """Refuses to start with a template missing."""
        wording.check_templates(TEMPLATES)
        shows = host.env is Environment.DEVELOPMENT
        async with Providers.open(host.settings) as providers:
            missing = providers.missing()
            if not shows and missing:
                log.warning("no_provider", channels=missing, what="nobody is reached on these channels")
            yield cls(
                settings=host.settings,
                bus=host.bus,
                db=host.db,
                clock=host.clock,
                links=Links(host.settings, host.process),
                shows=shows,
                limited=not (shows and host.process.rate_limits == "off"),
                providers=providers,
            )

    def wake(self, lane: str, channels: AbstractSet[Channel] | None = None) -> None:
        """A delivery was queued, on one of ``channels`` if they are known: the next look is now."""
        for line, waiting in self.waiting.items():
            if line.lane == lane and (channels is None or not channels.isdisjoint(line.channels)):
                waiting.set()


def occasion() -> str:
    """The id of the event that is being heard: what it brings about is brought about once."""
    delivery = current_delivery.get()
    if delivery is None:
        raise RuntimeError("only an event is an occasion to tell somebody")
    return str(delivery.event_id)
