"""What ``make split`` prints of its processes can be copied: whole addresses, and names that logs have."""

import io
from pathlib import Path

from rich.console import Console

from deploy.processes import groups
from tests.flows.systems import Stores, system_on
from tests.split.__main__ import describe
from tests.split.prometheus import Prometheus
from tests.split.supervisor import Programs, Supervisor

STORES = Stores("postgresql://postgres@127.0.0.1:1/x", "redis://127.0.0.1:2/0", "amqp://127.0.0.1:3/main")


def test_a_narrow_terminal_cuts_no_address_and_each_name_is_that_of_a_log(tmp_path: Path) -> None:
    system = system_on(STORES, groups(), Programs(), tmp_path)
    said = io.StringIO()
    supervisor = Supervisor(system, {}, lambda _: None)
    describe(
        system, supervisor, Prometheus("http://127.0.0.1:9090"), Console(file=said, width=40, soft_wrap=True)
    )
    rows = [line.split() for line in said.getvalue().splitlines() if "/metrics" in line and ":" in line]
    assert [(name, url, metrics) for name, _, url, metrics in rows] == [
        (one.log.stem, one.url, f"http://127.0.0.1:{one.operations_port}/metrics") for one in system.processes
    ]
    names = [name for name, *_ in rows]
    assert {"turnos-1", "turnos-2", "gateway-1"} <= set(names)
    assert len(names) == len(set(names)) == len(groups())
