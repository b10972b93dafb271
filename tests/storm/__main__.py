"""``make storm``: a town in which people book, or a hall in which they talk, while parts of it are killed.

``python -m tests.storm [town] [--seconds N] [--seed N] [--report FILE]``, or
``python -m tests.storm talk [--seeds N] [--seed FIRST] [--messages N] [--a-second N]``.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console

from tests.flows.systems import Zygote
from tests.servers import Servers, warden_of_this_run
from tests.storm.audit import summary
from tests.storm.report import write
from tests.storm.running import Plan, storm
from tests.storm.talking import PEOPLE, TalkPlan, a_hall, talk_in_a_storm

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Ends with 1 if the audit found anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["town", "talk"], default="town")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="an empty folder that keeps what the processes said")
    town, talk = parser.add_argument_group("town"), parser.add_argument_group("talk")
    town.add_argument("--seconds", type=float, default=120)
    town.add_argument("--clients", type=int, default=12)
    town.add_argument("--report", type=Path, default=Path("storm.html"))
    talk.add_argument("--seeds", type=int, default=1, help="so many storms, one after the other")
    talk.add_argument("--messages", type=int, default=5000, help="of each storm")
    talk.add_argument("--a-second", type=float, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="turnosya-storm-") as made, warden_of_this_run(ROOT):
        folder: Path = asked.logs or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        zygote = Zygote(ROOT)
        say = Console(soft_wrap=True)
        try:
            running = (
                _talk(asked, zygote, folder, say)
                if asked.what == "talk"
                else _town(asked, zygote, folder, say)
            )
            is_good = asyncio.run(running)
        finally:
            zygote.close()
    sys.exit(not is_good)


async def _town(asked: argparse.Namespace, zygote: Zygote, folder: Path, say: Console) -> bool:
    plan = Plan(asked.seconds, asked.seed, clients=asked.clients)
    ledger, wrong = await storm(plan, Servers(), zygote, folder, say=say.print)
    write(asked.report, plan, ledger, wrong)
    for what, count in summary(ledger).items():
        say.print(f"{count:>8} {what}")
    for sentence in wrong:
        say.print(f"WRONG: {sentence}")
    say.print(
        f"The report is {asked.report}." + ("" if wrong else " Nothing acknowledged is missing or doubled.")
    )
    return not wrong


async def _talk(asked: argparse.Namespace, zygote: Zygote, folder: Path, say: Console) -> bool:
    servers, is_good = Servers(), True
    with servers.private("postgres") as postgres:
        async with a_hall(servers, zygote, folder, database_url=postgres.url, say=say.print) as hall:
            for seed in range(asked.seed, asked.seed + asked.seeds):
                found = await talk_in_a_storm(hall, TalkPlan(seed, asked.messages, asked.a_second))
                kinds = Counter(strike.what for strike in found.struck)
                struck = ", ".join(f"{count} x {what}" for what, count in kinds.items())
                say.print(
                    f"Seed {seed}: {found.written} messages in {found.took_s:.0f} s; killed {struck};"
                    f" {PEOPLE} people came {found.comings} times."
                )
                for sentence in found.wrong:
                    say.print(f"WRONG: {sentence}")
                is_good = is_good and not found.wrong
    say.print("Everybody has each message once, in its place." if is_good else "That was not a good storm.")
    return is_good


if __name__ == "__main__":
    main()
