"""What is said to the process that decodes, and what it answers: a line of JSON each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

CORRUPT, REFUSED = "corrupt", "refused"


@dataclass(frozen=True, slots=True)
class Order:
    """A file to be checked; what is made of it is written into ``folder``."""

    source: str
    content_type: str
    folder: str
    within_s: float


@dataclass(frozen=True, slots=True)
class Made:
    """Pixels of an image, and where it and its variants were written; a document has only a ``main``."""

    main: str
    width: int | None = None
    height: int | None = None
    thumb: str | None = None
    medium: str | None = None

    def paths(self) -> dict[str, Path]:
        """What was written, by ``main``, ``thumb`` and ``medium``."""
        found = {"main": self.main, "thumb": self.thumb, "medium": self.medium}
        return {name: Path(path) for name, path in found.items() if path is not None}


def line_of(value: Order | Made | str) -> bytes:
    """One of them, or why there is none, as a line."""
    content = {"refused": value} if isinstance(value, str) else asdict(value)
    return json.dumps(content).encode() + b"\n"


def order_of(line: bytes) -> Order:
    """The order that a line is."""
    return Order(**json.loads(line))


def answer_of(line: bytes) -> Made | str:
    """What was made, or why nothing was: ``corrupt`` or ``refused``."""
    content = json.loads(line)
    return str(content["refused"]) if "refused" in content else Made(**content)
