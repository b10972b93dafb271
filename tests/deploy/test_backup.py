"""The rehearsal: a backup while people book, all is lost and restored, and what was promised is audited."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy import backup
from tests.flows.systems import Form, Stores, System, Zygote, forget_keys, forget_queues, system_on
from tests.flows.world import PatientApi, World
from tests.project.tree import ROOT
from tests.servers import Servers
from turnosya.app import SERVICES
from turnosya.tour.answers import Turno
from turnosya.tour.people import Person, Shop

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def zygote() -> Generator[Zygote]:
    made = Zygote(ROOT)
    yield made
    made.close()


@asynccontextmanager
async def running(system: System) -> AsyncGenerator[World]:
    try:
        await system.start()
        async with PatientApi(system.url) as api:
            yield World.of(system, api)
    finally:
        await system.stop()


async def order(what: str, folder: Path, settings: Mapping[str, str], *more: str) -> str:
    """As an operator does it; what it says, or its error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.backup", what, str(folder), *more),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@dataclass
class Promise:
    """A turno that somebody was told they have."""

    client: Person
    turno: Turno


async def book(world: World, shop: Shop, client: Person, place: int) -> Promise:
    return Promise(client, await world.a_booked_turno(shop, client, place))


async def test_what_was_promised_before_a_backup_is_there_after_everything_was_lost(
    servers: Servers, zygote: Zygote, tmp_path: Path
) -> None:
    broker_url = f"{servers.broker_url}-flows"
    await forget_queues(broker_url)
    with servers.private("postgres") as first, servers.private("redis") as redis:
        stores = Stores(first.url, redis.url, broker_url)
        system = system_on(stores, [tuple(SERVICES)], zygote, tmp_path, form=Form.RABBITMQ)
        async with running(system) as world:
            shop, client = await world.a_business(), await world.a_client()
            before = [await book(world, shop, client, 0) for _ in range(4)]
            # Others book while it is made: nobody is refused, and what they get is whole or not there.
            during = asyncio.create_task(book_on(world, shop, client, 8))
            # As the CronJob does it.
            await order("dump", tmp_path / "backups", system.base, "--dated", "--keep=2")
            beside = await during
        (made,) = (tmp_path / "backups").iterdir()
        said = await order("check", made, {})
        assert "is whole" in said
    with servers.private("postgres") as second, servers.private("redis") as redis:
        await forget_keys(redis.url)
        again = moved(system, first.url, second.url, redis.url, zygote=zygote, folder=tmp_path)
        said = await order("restore", made, again.base)
        assert "turnosya migrate" in said
        async with running(again) as world:
            await world.system.until_settled()
            await audit(world, shop, before, beside)


async def book_on(world: World, shop: Shop, client: Person, count: int) -> list[Promise]:
    return [await book(world, shop, client, 0) for _ in range(count)]


async def audit(world: World, shop: Shop, before: list[Promise], beside: list[Promise]) -> None:
    rows = await world.system.rows("turnos", "SELECT id, starts_at, status FROM appointments")
    stored = {row["id"]: row for row in rows}
    for promise in before:
        assert stored[promise.turno.id]["starts_at"] == promise.turno.starts_at
    assert set(stored) <= {promise.turno.id for promise in [*before, *beside]}
    # Whatever is there was told to both sides once: no event fell between two databases.
    told = await world.system.rows(
        "notification",
        "SELECT data ->> 'appointment_id' AS turno, reader, count(*) AS times FROM deliveries"
        " WHERE template = 'appointment_booked' GROUP BY 1, 2",
    )
    assert {(row["turno"], row["reader"]) for row in told} == {
        (str(one), reader) for one in stored for reader in ("client", "owner")
    }
    assert {row["times"] for row in told} == {1}
    # People are who they were, sign in anew and go on.
    client = before[0].client
    client.api = shop.owner.api = world.api
    await client.log_in("a phone")
    await shop.owner.log_in("a desk")
    (await client.cancel(before[0].turno)).promised(200)
    await world.a_booked_turno(shop, client)
    await world.system.until_settled()


def moved(system: System, old: str, new: str, redis_url: str, *, zygote: Zygote, folder: Path) -> System:
    """The same system with the same keys, on new servers."""
    keys = {name: value for name, value in system.base.items() if name.endswith(("_KEY", "_PEPPER"))}
    assert old != new
    broker_url = system.base["TURNOSYA_BROKER_URL"]
    stores = Stores(new, redis_url, broker_url)
    return system_on(stores, [tuple(SERVICES)], zygote, folder, form=Form.RABBITMQ, settings=keys)


async def test_a_backup_that_was_not_finished_or_was_changed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(backup.CannotBackUp, match="was not finished"):
        await backup.check(tmp_path)
    (tmp_path / "users.dump").write_bytes(b"x")
    (tmp_path / "backup.json").write_text('{"at": "2027-06-10T12:00:00+00:00", "files": {"users.dump": "0"}}')
    with pytest.raises(backup.CannotBackUp, match="not as it was written"):
        await backup.check(tmp_path)


def test_the_latest_that_are_whole_stay_and_nothing_that_is_not_ours_goes(tmp_path: Path) -> None:
    noon = datetime(2027, 6, 10, 12, tzinfo=UTC)
    folders = [backup.dated(tmp_path, noon + timedelta(days=day)) for day in range(5)]
    assert folders[0].name == "2027-06-10T12-00-00Z"
    for place, folder in enumerate(folders):
        folder.mkdir()
        # The second and the last were not finished; the last may still be under way.
        if place not in {1, 4}:
            (folder / "backup.json").write_text("{}")
    (tmp_path / "by-hand").mkdir()
    assert set(backup.let_go(tmp_path, 2)) == {folders[0], folders[1]}
    assert {one.name for one in tmp_path.iterdir()} == {"by-hand", *(one.name for one in folders[2:])}
    assert backup.let_go(tmp_path, 2) == []


def test_nothing_goes_before_something_is_whole(tmp_path: Path) -> None:
    backup.dated(tmp_path, datetime(2027, 6, 10, tzinfo=UTC)).mkdir()
    assert backup.let_go(tmp_path, 1) == []
