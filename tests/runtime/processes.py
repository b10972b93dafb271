"""Words of the conformance suite: processes that ask, answer and listen, whatever carries their messages."""

import asyncio
from collections.abc import Mapping

from cryptography.fernet import Fernet

from tests.stage import a_bus, a_transport
from turnosya.runtime.bus import Bus, Transport
from turnosya.runtime.settings import MessagingSettings, load

MESSAGING = load(MessagingSettings, {"TURNOSYA_MESSAGE_KEY": Fernet.generate_key().decode()})


class Processes:
    """In memory all share the one transport there is; over RabbitMQ each has its own."""

    def __init__(self, broker_url: str | None, **settings: int) -> None:
        self.broker_url = broker_url
        self._settings = settings
        self._transports: list[Transport] = []

    async def one(self, name: str = "shop", queues: Mapping[str, frozenset[str]] | None = None) -> Bus:
        """One more process, connected."""
        if self.broker_url is not None or not self._transports:
            self._transports.append(await a_transport(queues or {}, self.broker_url, **self._settings))
        return a_bus(self._transports[-1], MESSAGING, source=name)

    async def close(self) -> None:
        await asyncio.gather(*(transport.close() for transport in self._transports))
