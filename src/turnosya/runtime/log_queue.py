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
        elif type(value) is str:
            # Most texts are short and hold neither: a call less for each.
            if len(value) > _LONGEST_TEXT or "+" in value or "@" in value or "eyJ" in value:
                event[key] = _shown(value)
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
        self._lines: deque[_Put] = deque()
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

    def renderer(self, _: object, level: str, event: MutableMapping[str, Any]) -> str:
        """The last step of structlog: the line as JSON, of which a copy is kept."""
        level, at = str(event.get("level", level)), str(event.get("timestamp", ""))
        fields = _encode({key: value for key, value in event.items() if key not in _BESIDE})
        if self.is_open:
            self._put(level, event, fields, at=at)
        text = f'{{"timestamp": "{at}", "level": "{level}"'
        for key in ("event", "service", "request_id"):
            if key in event:
                value = event[key]
                text += f', "{key}": {_quote(value) if type(value) is str else _encode(value)}'
        return f"{text}}}" if fields == "{}" else f"{text}, {fields[1:]}"

    def put(self, level: str, event: Mapping[str, Any]) -> None:
        """Keeps a line; drops the oldest when there are too many."""
        fields = _encode({key: value for key, value in event.items() if key not in _BESIDE})
        self._put(level, event, fields, at="")

    def _put(self, level: str, event: Mapping[str, Any], fields: str, *, at: str) -> None:
        if len(fields) > _LONGEST_LINE:
            fields = _encode({"cut": fields[: _LONGEST_LINE // 2]})
        service = event.get("service")
        put = _Put(
            at or real_now().isoformat(),
            level,
            service if isinstance(service, str) else _service_here(),
            str(event.get("event", ""))[:_LONGEST_EVENT],
            event.get("request_id"),
            fields,
        )
        with self._lock:
            self._lines.append(put)
            self._bytes += put.size
            while len(self._lines) > MOST_LINES or self._bytes > MOST_BYTES:
                self._bytes -= self._lines.popleft().size
                self.dropped += 1
                metrics.logs_dropped.inc()

    def head(self) -> Sequence[Line]:
        """The oldest lines that fit into one message; they stay until they are forgotten."""
        found: list[Line] = []
        size = 0
        with self._lock:
            for put in islice(self._lines, BATCH_LINES):
                size += put.size
                if size > BATCH_BYTES and found:
                    break
                found.append(put.line)
        return found

    def forget(self, lines: Sequence[Line]) -> None:
        """Lets go of what was stored; some of it may have been dropped meanwhile."""
        stored = {line.id for line in lines}
        with self._lock:
            while self._lines and self._lines[0].line.id in stored:
                self._bytes -= self._lines.popleft().size

    def __len__(self) -> int:
        return len(self._lines)


class _Put:
    """What whoever logs pays for; the rest of a line is made when it is shipped."""

    __slots__ = ("_line", "at", "event", "fields", "level", "request_id", "service", "size")

    def __init__(  # noqa: PLR0917 - in the order of a line; names cost a tenth more
        self, at: str, level: str, service: str, event: str, request_id: str | None, fields: str
    ) -> None:
        self.at = at
        self.level = level
        self.service = service
        self.event = event
        self.request_id = request_id
        self.fields = fields
        self.size = len(fields) + 300
        self._line: Line | None = None

    @property
    def line(self) -> Line:
        """The same at every look: its id tells a batch that comes twice."""
        if self._line is None:
            event, at = _plain(self.event)[:_LONGEST_EVENT], datetime.fromisoformat(self.at)
            self._line = Line(new_id(), at, self.level, self.service, event, self.request_id, self.fields)
        return self._line


# Made once: `json.dumps` makes one for each call that has a `default`.
_encode = json.JSONEncoder(default=str).encode
_quote = json.encoder.encode_basestring_ascii
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
