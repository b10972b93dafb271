"""A Prometheus of its own that scrapes processes of this machine, with our rules."""

import shutil
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy import scraping
from tests.flows.systems import own_port

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running one."""

    url: str

    def ask(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The data of an answer of its HTTP API; whatever it refuses raises."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=query, timeout=30).raise_for_status()
        return answer.json()["data"]

    def values(self, query: str) -> Sequence[Mapping[str, Any]]:
        """What an expression is now."""
        found: Sequence[Mapping[str, Any]] = self.ask("query", query=query)["result"]
        return found


@contextmanager
def prometheus(folder: Path, ports: Mapping[str, int], *, every: str = "15s") -> Generator[Prometheus]:
    """Debian's, with its data in ``folder``; ends with the block, or with us."""
    folder.mkdir(exist_ok=True)
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    config.write_text(scraping.on_this_machine(ports, rules=str(RULES), every=every))
    program, setpriv = shutil.which("prometheus"), shutil.which("setpriv")
    assert program is not None, "`tools/test-servers` installs prometheus"
    url = f"http://127.0.0.1:{own_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--log.level=warn",
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _until_ready(process, url, log)
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait()


def _until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/-/ready", timeout=5).is_success:
                return
        except httpx.HTTPError:
            assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"Prometheus is not ready: {log.read_text()}")
