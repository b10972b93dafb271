"""A process that is killed inside the transaction of a request with an idempotency key."""

import asyncio
import os
import signal
import sys

from sqlalchemy import text

from tests.stage import a_bus, a_transport
from turnosya.runtime.database import Database, Transaction
from turnosya.runtime.idempotency import Once
from turnosya.runtime.settings import MessagingSettings, load


async def main(url: str) -> None:
    bus = a_bus(await a_transport({}, None), load(MessagingSettings, {}), source="shop")
    db = Database(url, bus, name="shop", pool_size=2)
    once = Once.of(key="key-1", caller="", method="POST", path="/v1/loaves", body={"number": 7})

    async def work(tx: Transaction) -> tuple[int, None]:
        await tx.execute(text("INSERT INTO sold VALUES (7, 'killed')"))
        os.kill(os.getpid(), signal.SIGKILL)
        return 201, None

    await once.answer(db, work)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
