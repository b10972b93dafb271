"""How the system is cut into processes: ``deploy/processes.toml``."""

import tomllib
from pathlib import Path
from typing import TypedDict

LIST = Path(__file__).parent / "processes.toml"


class ProcessKind(TypedDict):
    """A kind of process: what it serves, and how many of it there are at first."""

    services: list[str]
    copies: int


def processes() -> dict[str, ProcessKind]:
    """Each kind of process by its name."""
    found: dict[str, ProcessKind] = tomllib.loads(LIST.read_text())  # pyright: ignore[reportAssignmentType]
    return found


def groups() -> list[tuple[str, ...]]:
    """What each process serves, copies repeated."""
    return [tuple(kind["services"]) for kind in processes().values() for _ in range(kind["copies"])]
