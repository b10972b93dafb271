"""``make split``: the system as it runs on many machines, on this one, until Ctrl-C.

Three nodes of RabbitMQ, PostgreSQL, Redis and Prometheus of their own, and every process of
``deploy/processes.toml`` as a program that is started again when it dies. What it stores goes when it ends.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rich.console import Console

from deploy.processes import groups
from tests.flows.systems import Stores, System, system_on
from tests.servers import PrivateServer, Servers, warden_of_this_run
from tests.split.prometheus import Prometheus, prometheus
from tests.split.supervisor import Programs, Supervisor

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "TURNOSYA_RATE_LIMITS": "on",
    "TURNOSYA_LOG_LEVEL": "info",
}


@asynccontextmanager
async def split_system(folder: Path, *, port: int, say: Console) -> AsyncGenerator[tuple[System, Supervisor]]:
    """A split system on servers of its own, looked after."""
    servers = Servers()
    say.print("Starting three nodes of RabbitMQ, PostgreSQL and Redis ...")
    with (
        servers.cluster() as nodes,
        servers.private("postgres") as postgres,
        servers.private("redis") as redis,
    ):
        stores = Stores(postgres.url, redis.url, "|".join(f"{node.url}main" for node in nodes))
        system = system_on(stores, groups(), Programs(), folder, port=port, settings=SETTINGS)
        say.print(f"Starting {len(system.processes)} processes ...")
        try:
            await system.start()
            named: dict[str, PrivateServer] = {
                f"rabbitmq-{place}": node for place, node in enumerate(nodes, 1)
            }
            supervisor = Supervisor(system, {**named, "postgres": postgres, "redis": redis}, say.print)
            watching = asyncio.create_task(supervisor.watch())
            try:
                yield system, supervisor
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
        finally:
            await system.stop()


def describe(system: System, supervisor: Supervisor, watching: Prometheus, say: Console) -> None:
    # No table of rich's: in a narrow terminal it cuts the addresses, which are there to be copied.
    say.print(_row("process", "id", "API", "health and metrics"), highlight=False)
    for process in system.processes:
        operations = f"http://127.0.0.1:{process.operations_port}/metrics"
        say.print(_row(process.name, process.pid, process.url, operations))
    for name in supervisor.servers:
        say.print(_row(name, supervisor.pid_of(name)))
    say.print(f"API       {system.url}/v1\nDocs      {system.url}/docs\nMessages  {system.url}/dev")
    say.print(f"Figures   {watching.url}/graph, alerts {watching.url}/alerts")
    say.print(f"Logs      {system.folder}/NAME.log")
    say.print("Kill any of these processes (kill -9 ID) and it is started again. Stop with Ctrl-C.")


def _row(name: str, pid: object, url: str = "", operations: str = "") -> str:
    return f"{name:<16}{pid!s:>8}  {url:<23}{operations}".rstrip()


async def run(folder: Path) -> None:
    """Until a signal comes."""
    say = Console(soft_wrap=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = int(os.environ.get("TURNOSYA_PORT", "8000"))
    async with split_system(folder, port=port, say=say) as (system, supervisor):
        ports = {one.name: one.operations_port for one in system.processes}
        with prometheus(folder / "prometheus", ports) as watching:
            describe(system, supervisor, watching, say)
            await stop.wait()
            say.print("Stopping ...")


def main() -> None:
    """The folder with the logs goes with the rest."""
    with tempfile.TemporaryDirectory(prefix="turnosya-split-") as folder, warden_of_this_run(ROOT):
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    main()
