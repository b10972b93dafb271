"""A storm: a split system with two copies of each service, people who use it, and kills."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.processes import groups
from tests.flows.systems import Launcher, Stores, System, system_on
from tests.said import Overheard
from tests.servers import PrivateServer, Servers
from tests.split.supervisor import Supervisor
from tests.storm.audit import audit
from tests.storm.faults import order, strike
from tests.storm.ledger import Ledger
from tests.storm.people import Client, StormApi
from turnosya.tour.client import Api
from turnosya.tour.people import Person, Shop, open_shop, sign_up

# Retries that outlast a restart of PostgreSQL and are over soon after it.
SETTINGS = {
    "TURNOSYA_RETRY_DELAYS_S": ",".join(["0.5"] * 120),
    "TURNOSYA_JOBS_RETRY_DELAYS_S": ",".join(["0.5"] * 120),
}
_SETTLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How big a storm is."""

    seconds: float
    seed: int
    clients: int = 12
    shops: int = 4


async def storm(
    plan: Plan, servers: Servers, launcher: Launcher, folder: Path, *, say: Callable[[str], None]
) -> tuple[Ledger, list[str]]:
    """Runs one to its end; what clients were told, and what the audit found wrong."""
    with (
        servers.cluster() as nodes,
        servers.private("postgres") as postgres,
        servers.private("redis") as redis,
    ):
        stores = Stores(postgres.url, redis.url, "|".join(f"{node.url}main" for node in nodes))
        system = system_on(stores, groups(), launcher, folder, settings=SETTINGS)
        named = {f"rabbitmq-{place}": node for place, node in enumerate(nodes, 1)}
        overheard = Overheard()
        try:
            await system.start()
            say(f"{len(system.processes)} processes are ready.")
            everything = {**named, "postgres": postgres, "redis": redis}
            ledger, wrong = await _storm_on(system, everything, plan, overheard, say=say)
        finally:
            await system.stop()
    return ledger, [*wrong, *overheard.told_by(sorted(system.logs))]


async def _storm_on(
    system: System,
    servers: dict[str, PrivateServer],
    plan: Plan,
    overheard: Overheard,
    *,
    say: Callable[[str], None],
) -> tuple[Ledger, list[str]]:
    gateways = [process.url for process in system.processes if "gateway" in process.names]
    async with Api(system.url) as calm:
        shops = [await _shop(calm, number) for number in range(plan.shops)]
        people = await asyncio.gather(*(_person(calm, number) for number in range(plan.clients)))
    await system.until_settled()
    ledger = Ledger()
    async with StormApi(gateways, ledger, random.Random(plan.seed)) as api:
        for person in [*people, *(shop.owner for shop in shops)]:
            person.api = api
            overheard.hear({"phone": person.phone, "password": person.password, "access_token": person.token})
        clients = [
            Client(person, shops, ledger, random.Random(f"{plan.seed} {number}"))
            for number, person in enumerate(people)
        ]
        supervisor = Supervisor(system, servers, say)
        watching = asyncio.create_task(supervisor.watch())
        victims = order(supervisor, servers, random.Random(plan.seed))
        striking = asyncio.create_task(strike(victims, supervisor, ledger, until_s=plan.seconds))
        try:
            await asyncio.gather(*(client.live(plan.seconds) for client in clients))
            await striking
            await system.until_settled(within_s=_SETTLE_S)
        finally:
            for task in (striking, watching):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    return ledger, await audit(system, ledger)


async def _shop(api: Api, number: int) -> Shop:
    return await open_shop(await _person(api, 1000 + number), f"Negocio {number}")


async def _person(api: Api, number: int) -> Person:
    person = await sign_up(api, f"Persona {number}")
    await person.log_in("storm")
    return person
