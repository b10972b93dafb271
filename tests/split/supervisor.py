"""Keeps the processes and servers of a split system running: what has died is started again."""

import asyncio
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

from tests.flows.systems import Process, System
from tests.flows.zygote import ENDED
from tests.servers import PrivateServer

_LOOK_S = 0.2
# At once the first time; who dies again within this is started again only after it.
_CALM_S = 2.0


class Programs:
    """Starts each process as a program of its own, ``turnosya serve NAME``; all end when we do."""

    def fork(self, args: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """See ``tests.flows.systems.Launcher``."""
        program = [str(Path(sys.executable).with_name("turnosya")), *args]
        setpriv = shutil.which("setpriv")
        with log.open("ab") as output:
            started = subprocess.Popen(
                [setpriv, "--pdeathsig", "TERM", "--", *program] if setpriv else program,
                env={"PATH": "/usr/bin:/bin", **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        threading.Thread(target=_bury, args=(started, log), daemon=True).start()
        return started.pid


def _bury(process: subprocess.Popen[bytes], log: Path) -> None:
    code = process.wait()
    with log.open("ab") as output:
        output.write(f"\n{ENDED}{code}\n".encode())


class Supervisor:
    """Looks after a system and its servers; ``say`` gets a line for each death."""

    def __init__(
        self, system: System, servers: Mapping[str, PrivateServer], say: Callable[[str], None]
    ) -> None:
        self.system = system
        self.servers = servers
        self._say = say
        self._pids = {name: server.start() for name, server in servers.items()}
        self._started_at: dict[str, float] = {}

    def pid_of(self, server: str) -> int:
        """The process id of a server as it was last started."""
        return self._pids[server]

    async def watch(self) -> None:
        """Never returns.

        Each server by itself: a node of RabbitMQ that comes back may wait for another one, which is to be
        started meanwhile.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_after_processes())
            for name, server in self.servers.items():
                group.create_task(self._look_after(name, server))

    async def _look_after_processes(self) -> None:
        while True:
            for process in self.system.processes:
                if not process.is_running:
                    self._start_again(process)
            await asyncio.sleep(_LOOK_S)

    def _start_again(self, process: Process) -> None:
        name, now = process.name, monotonic()
        if now - self._started_at.get(name, -_CALM_S) < _CALM_S:
            return
        self._started_at[name] = now
        died = process.pid
        self.system.launch(process)
        self._say(f"{name} (process {died}) has died; started again as {process.pid}.")

    async def _look_after(self, name: str, server: PrivateServer) -> None:
        while True:
            pid = await asyncio.to_thread(server.start)
            if pid != self._pids[name]:
                self._say(f"{name} (process {self._pids[name]}) has died; started again as {pid}.")
                self._pids[name] = pid
            await asyncio.sleep(_LOOK_S)
