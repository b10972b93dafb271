"""The status page: for everybody, in their language, with 90 days, and there while the database is away."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import cast

import pytest
import pytest_asyncio

from tests.servers import Servers
from tests.stage import Stage, a_stage
from turnosya.contracts.checks import ForgetAudit
from turnosya.runtime.clock import real_now
from turnosya.runtime.database import Database
from turnosya.runtime.messages import Unavailable
from turnosya.services.checks import days, health, rules
from turnosya.services.checks.context import Checks
from turnosya.services.checks.service import service as checks
from turnosya.services.checks.store import days as store
from turnosya.services.checks.store.days import Looks

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [checks], settings={"TURNOSYA_HEALTH_EVERY_S": "5"}) as made:
        yield made


async def page(stage: Stage, language: str = "es") -> str:
    async with stage.http("checks") as http:
        answer = await http.get("/status", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in answer.text
    return answer.text


async def test_it_shows_each_service_now_and_its_days(stage: Stage) -> None:
    context = cast("Checks", stage.running["checks"].context)
    await health.look(context)
    today = real_now().astimezone(UTC).date()
    context.tally = {
        ("turnos", today): Looks(well=999, down=1),
        ("auth", today - timedelta(days=1)): Looks(well=1, down=1),
        ("auth", today - timedelta(days=90)): Looks(well=1),
    }
    await days.keep(context)
    context.tally = {("turnos", today): Looks(unwell=1000)}
    await days.keep(context)
    await stage.bus.call(ForgetAudit())
    context.days_read_at = -1e9
    async with context.db.read() as tx:
        kept = await store.read(tx, since=date.min)
    assert min(day for looks in kept.values() for day, _ in looks) == today - timedelta(days=1)
    shown = await page(stage)
    for name in rules.WATCHED:
        assert f"<td>{name}</td>" in shown
    assert shown.count("<rect") == 90 * len(rules.WATCHED)
    assert f"{today}: 99.95 %" in shown
    assert f"{today - timedelta(days=1)}: 50.00 %" in shown
    assert f"{today - timedelta(days=90)}" not in shown
    assert "<th>Service</th><th>Now</th>" in await page(stage, "en")
    assert "<th>Serviço</th><th>Agora</th>" in await page(stage, "pt")


async def test_a_look_is_counted_and_what_could_not_be_kept_is_kept_later(stage: Stage) -> None:
    context = cast("Checks", stage.running["checks"].context)
    nowhere = Database("postgresql://nobody:x@127.0.0.1:1/nowhere", context.bus, name="checks", pool_size=1)
    away = replace(context, db=nowhere, tally={}, days_read_at=-1e9, days=None)
    await health.look(away)
    today = real_now().astimezone(UTC).date()
    assert away.tally["checks", today] == Looks(well=1)
    with pytest.raises(Unavailable):
        await days.keep(away)
    days.count(away)
    assert away.tally["checks", today] == Looks(well=2)
    assert await days.known(away) is None
    await nowhere.close()
    back = replace(away, db=context.db, days_read_at=-1e9)
    await days.keep(back)
    assert back.tally == {}
    assert await days.known(back) is not None
