"""Words of the event tests: services that tell and hear, and what they have written down."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from tests.runtime.bakery import Baked
from tests.stage import Stage, until
from turnosya.runtime.database import Database
from turnosya.runtime.messages import Event, Hearing
from turnosya.runtime.service import Host, Running, Service

MIGRATIONS = "tests.runtime.bakery_migrations"


@dataclass
class Counter:
    """A service's context: its database, and what its hearers did, in order."""

    host: Host
    heard: list[Event] = field(default_factory=list[Event])

    @property
    def db(self) -> Database:
        return self.host.db


@dataclass
class Script:
    """What hearers do when they are told to misbehave; shared by all copies."""

    fails: Callable[[Any], bool] = lambda _: False
    tries: list[str] = field(default_factory=list[str])
    held: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    waits: Callable[[Any], bool] = lambda _: False


SCRIPT = Script()


@asynccontextmanager
async def open_counter(host: Host) -> AsyncGenerator[Counter]:
    yield Counter(host)


async def sell(counter: Counter, event: Baked) -> None:
    """Writes down the loaf in the transaction that marks the event as heard."""
    SCRIPT.tries.append(f"{event.oven}{event.number}")
    SCRIPT.began.set()
    if SCRIPT.waits(event):
        await SCRIPT.held.wait()
    async with counter.db.transaction() as tx:
        await tx.execute(text("INSERT INTO sold VALUES (:number, :oven)"), dict(event))
        if SCRIPT.fails(event):
            raise ZeroDivisionError("la masa no subió")
    counter.heard.append(event)


async def praise(counter: Counter, event: Baked) -> None:
    """Changes nothing."""
    counter.heard.append(event)


async def listen(counter: Counter, event: Event) -> None:
    counter.heard.append(event)


def a_service(name: str, hears: Sequence[Hearing[Counter]] = (), **more: Any) -> Service[Counter]:  # noqa: ANN401
    return Service(name=name, open=open_counter, hears=hears, migrations=MIGRATIONS, **more)


def heard_by(running: Running[Any]) -> list[Event]:
    """What this copy's hearers have heard, in order."""
    context: object = running.context
    assert isinstance(context, Counter)
    return context.heard


def the_database(running: Running[Any]) -> Database:
    return running.host.db


async def tell(running: Running[Any], *events: Event) -> None:
    """Publishes in one transaction of the service, whose relay delivers."""
    async with the_database(running).transaction() as tx:
        for event in events:
            await tx.publish(event)


async def column(running: Running[Any], query: str) -> list[Any]:
    async with the_database(running).read() as tx:
        return list((await tx.execute(text(query))).scalars())


async def sold_by(running: Running[Any], satisfied: Callable[[list[Any]], bool]) -> list[Any]:
    """Numbers of what was sold, once they satisfy."""
    return await until(lambda: column(running, "SELECT number FROM sold ORDER BY ctid"), satisfied)


async def states(running: Running[Any], satisfied: Callable[[list[Any]], bool]) -> list[Any]:
    """States of the inbox in order of arrival, once they satisfy."""
    return await until(
        lambda: column(running, "SELECT state FROM inbox ORDER BY sequence, hearer"), satisfied
    )


Told = Callable[[Stage], Awaitable[None]]
