"""What Prometheus makes of ours: its own tool reads what we show, the settings, the rules and their cases."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import httpx
import pytest
import pytest_asyncio

from tests.project.tree import ROOT
from tests.servers import Servers
from tests.stage import Stage, a_stage
from turnosya.runtime.serving import operations_app
from turnosya.services.checks import health
from turnosya.services.checks.context import Checks
from turnosya.services.checks.service import service as checks

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = ROOT / "deploy/prometheus"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [checks]) as made:
        yield made


async def promtool(*arguments: str, text: bytes = b"") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "promtool",
        *arguments,
        cwd=RULES,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(text)
    return process.returncode or 0, said.decode()


async def test_the_settings_and_the_cases_of_every_rule_pass() -> None:
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        code, said = await promtool(*arguments)
        assert code == 0, said


async def test_the_exposition_is_well_formed_and_paths_add_no_series(stage: Stage) -> None:
    async with stage.http("checks") as http:
        for number in range(300):
            await http.get(f"/v1/checks/{number}")
    await health.look(cast("Checks", stage.running["checks"].context))
    app = operations_app(stage.running["checks"].ready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as operations:
        answer = await operations.get("/metrics")
    assert 'turnosya_service_up{service="checks"} 1.0' in answer.text
    counted = [
        line for line in answer.text.splitlines() if line.startswith("turnosya_http_request_seconds_count")
    ]
    # Other tests of this worker have asked other services.
    lines = [line for line in counted if 'service="checks"' in line]
    assert len([line for line in lines if 'route="unmatched"' in line]) == 1
    assert not [line for line in lines if "/v1/checks/299" in line]
    code, said = await promtool("check", "metrics", text=answer.content)
    assert code == 0, said
