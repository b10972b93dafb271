"""A process that commits an event and is killed before its relay could hear of it."""

import asyncio
import os
import signal
import sys

from sqlalchemy import text

from tests.runtime.bakery import Baked
from tests.stage import a_bus, a_transport
from turnosya.runtime.database import Database
from turnosya.runtime.settings import MessagingSettings, load


async def main(url: str) -> None:
    bus = a_bus(await a_transport({}, None), load(MessagingSettings, {}), source="oven")
    db = Database(url, bus, name="oven", pool_size=2)
    db.on_events = lambda: os.kill(os.getpid(), signal.SIGKILL)
    async with db.transaction() as tx:
        await tx.execute(text("INSERT INTO sold VALUES (481, '')"))
        await tx.publish(Baked(oven="a", number=481))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
