"""What is killed during a storm, and when: by a seed, so that a storm can be had again."""

import asyncio
import random
import signal
from collections.abc import Iterator, Mapping

from tests.flows.systems import Process
from tests.servers import PrivateServer
from tests.split.supervisor import Supervisor
from tests.storm.ledger import Fault, Ledger

EVERY_S = 3.0
NODE = "rabbitmq-"

Victim = tuple[str, PrivateServer | Process]


def order(
    supervisor: Supervisor, servers: Mapping[str, PrivateServer], chance: random.Random
) -> Iterator[Victim]:
    """Endless rounds, in each of which every server dies, and one process of every kind."""
    while True:
        kinds: dict[str, list[Victim]] = {}
        for process in supervisor.system.processes:
            kinds.setdefault(process.names[0], []).append((process.name, process))
        round_ = [*servers.items(), *(chance.choice(copies) for copies in kinds.values())]
        chance.shuffle(round_)
        yield from round_


async def strike(
    victims: Iterator[Victim], supervisor: Supervisor, ledger: Ledger, *, until_s: float
) -> None:
    """SIGKILL to one after the other, which the supervisor starts again.

    A node of RabbitMQ is passed over while another of them is not back: three outlive the loss of one, and
    without any a system waits until they have found each other, however long that takes on this machine.
    """
    nodes_killed: dict[str, int] = {}
    while ledger.now_s() + EVERY_S < until_s:
        await asyncio.sleep(EVERY_S)
        name, victim = next(victims)
        while name.startswith(NODE) and any(supervisor.pid_of(n) == pid for n, pid in nodes_killed.items()):
            name, victim = next(victims)
        if name.startswith(NODE):
            nodes_killed[name] = supervisor.pid_of(name)
        ledger.faults.append(Fault(ledger.now_s(), name))
        if isinstance(victim, Process):
            victim.signal(signal.SIGKILL)
        else:
            await asyncio.to_thread(victim.kill)
