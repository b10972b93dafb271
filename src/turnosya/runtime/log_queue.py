"""Log lines on their way to the central log: a bounded queue that never blocks and drops the oldest.

Whoever logs pays for one JSON text and an append; a broker that is dead costs them nothing more.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from turnosya.runtime import metrics
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id

MOST_LINES, MOST_BYTES = 10_000, 8 * 1024 * 1024
# A batch must fit into one message without holding others up.
BATCH_LINES, BATCH_BYTES = 500, 1024 * 1024
_LONGEST_TEXT, _LONGEST_LINE, _LONGEST_EVENT = 2_000, 16_384, 200
_SERVICES = "turnosya.services."
_FRAMES = 25

# What names a person or lets somebody in: international numbers, addresses of e-mail, tokens.
_PERSONAL = re.compile(
    r"\+\d[\d ().-]{6,18}\d|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?"
)
_SECRET_KEYS = frozenset(
    {"password", "code", "token", "access_token", "refresh_token", "authorization", "phone", "email"}
)
_HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True)
class Line:
    """One log line; ``fields`` is a JSON object without what stands beside it."""

    id: UUID
    at: datetime
    level: str
    service: str
    event: str
    request_id: str | None
    fields: str


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides phones, addresses, tokens and codes, and cuts texts; before a line leaves the process."""
    for key, value in event.items():
        if key in _SECRET_KEYS and value is not None:
            event[key] = _HIDDEN
        elif isinstance(value, str):
            event[key] = _shown(value)
        elif key == "exception":
            for stack in value or ():
                stack["exc_value"] = _shown(stack["exc_value"])
        elif isinstance(value, (dict, list)):
            event[key] = _shown(json.dumps(value, default=str))
    return event


def _shown(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + "…"
    # Looked for first: most texts hold neither, and the search for a pattern is ten times as dear.
    if "+" in text or "@" in text or "eyJ" in text:
        return _PERSONAL.sub(_HIDDEN, text)
    return text


class LogQueue:
    """What this process has logged and checks has not yet stored. Any thread may put."""

    def __init__(self) -> None:
        self._lines: deque[tuple[Line, int]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self.is_open = False
        """Whether somebody ships what is put; else it is not kept."""
        self.dropped = 0

    def processor(self, _: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The step of structlog that keeps a copy."""
        if self.is_open:
            self.put(str(event.get("level", level)), event)
        return event

    def put(self, level: str, event: Mapping[str, Any]) -> None:
        """Keeps a line; drops the oldest when there are too many."""
        fields = {key: value for key, value in event.items() if key not in _BESIDE}
        text = json.dumps(fields, default=str)
        if len(text) > _LONGEST_LINE:
            text = json.dumps({"cut": text[: _LONGEST_LINE // 2]})
        service = event.get("service")
        line = Line(
            id=new_id(),
            at=real_now(),
            level=level,
            service=service if isinstance(service, str) else _service_here(),
            event=_plain(str(event.get("event", "")))[:_LONGEST_EVENT],
            request_id=event.get("request_id"),
            fields=text,
        )
        size = len(text) + 300
        with self._lock:
            self._lines.append((line, size))
            self._bytes += size
            while len(self._lines) > MOST_LINES or self._bytes > MOST_BYTES:
                self._bytes -= self._lines.popleft()[1]
                self.dropped += 1
                metrics.logs_dropped.inc()

    def head(self) -> Sequence[Line]:
        """The oldest lines that fit into one message; they stay until they are forgotten."""
        found: list[Line] = []
        size = 0
        with self._lock:
            for line, line_size in islice(self._lines, BATCH_LINES):
                size += line_size
                if size > BATCH_BYTES and found:
                    break
                found.append(line)
        return found

    def forget(self, lines: Sequence[Line]) -> None:
        """Lets go of what was stored; some of it may have been dropped meanwhile."""
        stored = {line.id for line in lines}
        with self._lock:
            while self._lines and self._lines[0][0].id in stored:
                self._bytes -= self._lines.popleft()[1]

    def __len__(self) -> int:
        return len(self._lines)


_BESIDE = frozenset({"event", "level", "timestamp", "request_id", "service", "_record", "_from_structlog"})


def _plain(text: str) -> str:
    """Without line breaks, NUL and halves of characters, which a database refuses."""
    return text.encode("ascii", "backslashreplace").decode().replace("\0", "\\0").replace("\n", "\\n")


def _service_here() -> str:
    """The service whose code logs, found on the stack; ``runtime`` when none is on it."""
    frame = sys._getframe(2)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as logging itself does
    for _ in range(_FRAMES):
        name: str = frame.f_globals.get("__name__", "")
        if name.startswith(_SERVICES):
            return name[len(_SERVICES) :].partition(".")[0]
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "runtime"


queue = LogQueue()
"""That of this process: logs are the process's, whoever writes them."""
