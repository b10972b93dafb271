"""``make storm``: ``python -m tests.storm [--seconds N] [--seed N] [--report FILE]``."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.flows.systems import Zygote
from tests.servers import Servers, warden_of_this_run
from tests.storm.audit import summary
from tests.storm.report import write
from tests.storm.running import Plan, storm

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Ends with 1 if the audit found anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--report", type=Path, default=Path("storm.html"))
    parser.add_argument("--logs", type=Path, help="an empty folder that keeps what the processes said")
    asked = parser.parse_args()
    say = Console(soft_wrap=True)
    plan = Plan(asked.seconds, asked.seed, clients=asked.clients)
    with tempfile.TemporaryDirectory(prefix="turnosya-storm-") as made, warden_of_this_run(ROOT):
        folder: Path = asked.logs or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        zygote = Zygote(ROOT)
        try:
            ledger, wrong = asyncio.run(storm(plan, Servers(), zygote, folder, say=say.print))
        finally:
            zygote.close()
    write(asked.report, plan, ledger, wrong)
    for what, count in summary(ledger).items():
        say.print(f"{count:>8} {what}")
    for sentence in wrong:
        say.print(f"WRONG: {sentence}")
    say.print(
        f"The report is {asked.report}." + ("" if wrong else " Nothing acknowledged is missing or doubled.")
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
