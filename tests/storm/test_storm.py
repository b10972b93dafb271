"""A minute in which something is killed every three seconds."""

from pathlib import Path

import pytest

from tests.flows.systems import Zygote
from tests.servers import Servers
from tests.storm.audit import summary
from tests.storm.report import write
from tests.storm.running import Plan, storm

PLAN = Plan(seconds=60, seed=2, clients=8)


@pytest.mark.timeout(300)
async def test_nothing_acknowledged_is_missing_or_doubled_after_a_storm(
    servers: Servers, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zygote = Zygote(request.config.rootpath)
    try:
        ledger, wrong = await storm(PLAN, servers, zygote, tmp_path, say=print)
    finally:
        zygote.close()

    write(tmp_path / "storm.html", PLAN, ledger, wrong)
    assert wrong == []
    found = summary(ledger)
    # Work went on between the kills; how much of it is the machine's affair.
    assert found["turnos"] > len(ledger.faults) > 10, capsys.readouterr().out
    assert {fault.what.partition("-")[0] for fault in ledger.faults} >= {"rabbitmq", "postgres", "redis"}
