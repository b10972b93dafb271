"""What no log may say: codes, tokens, numbers, addresses and names, whoever wrote the line.

Each test fails in which a service of ours logs one of these in the test's own process (see
``tests/conftest.py``); the flows compare the logs of their processes with all that went over HTTP.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

# As structlog writes it: for a person, or as JSON. What a command prints for its operator is no log.
_LINE = re.compile(r"^(?:\x1b\[\d+m)?\d{4}-\d\d-\d\d[ T]\S+.*\[\s*(?:\x1b\[[\d;]*m)*\w+|^\{")
_SHAPES = {
    "a number": re.compile(r"(?<![\w.])\+[1-9]\d{9,14}\b|\b549\d{10}\b"),
    "an address": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b"),
    "a token": re.compile(r"\beyJ[\w-]{10,}\.[\w-]+|\bBearer \S{10,}"),
    "a code": re.compile(r"""\b(?:code|otp|challenge_code)["']?\s*[=:]\s*["']?\d{6}\b"""),
    # Of the people and places that the tests are told with.
    "a name": re.compile(r"Carla|Otto\b|Barbería|Ñandú|Ana Paz|Clara Sosa|Olga Ríos|La Navaja"),
}
# What an API calls those things; numbers and codes of problems are looked at by their form.
_SECRET = frozenset({"code", "password", "new_password", "access_token", "refresh_token"})
_PERSONAL = frozenset({"phone", "email", "to", "client_phone", "name", "client_name", "business_name"})
_SHORTEST = 6


def lines_that_tell(text: str) -> Iterator[str]:
    """What it is and the line, for each line of a log that says what it may not."""
    for line in text.splitlines():
        if _LINE.match(line):
            yield from (f"{what}: {line}" for what, shape in _SHAPES.items() if shape.search(line))


class Overheard:
    """All codes, tokens, numbers, addresses and names that a client has sent or was answered."""

    def __init__(self) -> None:
        self.values: set[str] = set()

    def hear(self, *said: object) -> None:
        """Remembers what is in these bodies, however deep."""
        for one in said:
            if isinstance(one, dict):
                for name, value in cast("dict[str, object]", one).items():
                    if isinstance(value, str):
                        self._hear(name, value)
                    else:
                        self.hear(value)
            elif isinstance(one, list):
                self.hear(*cast("list[object]", one))

    def _hear(self, name: str, value: str) -> None:
        is_code_of_a_problem = name == "code" and not value.isdecimal()
        # One small word is no name that a test made up, but may well be a word of our own logs: `request`.
        is_a_word = value.isascii() and value.isidentifier() and value.islower()
        if (
            name in _SECRET | _PERSONAL
            and len(value) >= _SHORTEST
            and not (is_code_of_a_problem or is_a_word)
        ):
            self.values.add(value)

    def told_by(self, logs: Iterable[Path]) -> list[str]:
        """The lines of these logs that say any of it."""
        found: list[str] = []
        for log in logs:
            text = log.read_text("utf-8", "replace") if log.exists() else ""
            found += [f"{log.name}: {line}" for line in lines_that_tell(text)]
            # Few or none stand anywhere in it; JSON escapes what is not ASCII.
            there = [value for value in self.values if value in text or json.dumps(value)[1:-1] in text]
            for line in text.splitlines() if there else ():
                said = _without_ids(line)
                found += [f"{log.name}: {value!r} in {line}" for value in there if _is_in(value, said)]
        return found


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")


def _without_ids(line: str) -> str:
    # An id may have any digits in it. JSON escapes what is not ASCII.
    with_letters = json.dumps(json.loads(line), ensure_ascii=False) if _is_json(line) else line
    return _ID.sub("id", with_letters)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _is_in(value: str, line: str) -> bool:
    if value not in line:
        return False
    # Six digits are a code where they stand alone: not inside of a time or a greater number.
    return not value.isdecimal() or re.search(rf"(?<![\d.]){value}(?![\d.])", line) is not None


OVERHEARD = Overheard()
