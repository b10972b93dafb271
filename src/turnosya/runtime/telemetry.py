"""Logs, with the request and the trace to which they belong, through every kind of message.

The trace follows W3C Trace Context: ``traceparent`` is ``00-<trace>-<span>-<flags>``.
"""

import logging
import os
import re
import sys
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

from turnosya.runtime import log_queue

LogFormat = Literal["auto", "json", "console"]
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Trace:
    """What a request, its messages and their logs have in common."""

    request_id: str
    trace_id: str
    span_id: str
    parent_id: str | None = None
    """The step that led to this one, where somebody else took it."""
    sampled: bool = False
    """Whether its steps are told to a collector of traces, by every process that has one."""

    @property
    def traceparent(self) -> str:
        """The W3C header of this step."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def next(self) -> "Trace":
        """A step within this one."""
        return Trace(self.request_id, self.trace_id, os.urandom(8).hex(), self.span_id, self.sampled)


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace | None:
    """The trace of the work that is running now."""
    return _current.get()


def new_request_id() -> str:
    """128 random bits in hexadecimal."""
    return os.urandom(16).hex()


def well_formed_request_id(text: str | None) -> str | None:
    """A caller's request id if it may be kept, else None."""
    return text if text is not None and _REQUEST_ID.match(text) else None


def begin_trace(request_id: str | None, traceparent: str | None) -> Trace:
    """The next step of the trace that ``traceparent`` names, or the first of a new one, which is not told."""
    found = _TRACEPARENT.match(traceparent or "")
    span_id, request_id = os.urandom(8).hex(), request_id or new_request_id()
    if found is None or found[1] == "0" * 32:
        return Trace(request_id, os.urandom(16).hex(), span_id)
    return Trace(request_id, found[1], span_id, found[2], sampled=bool(int(found[3], 16) & 1))


def set_trace(trace: Trace) -> Token[Trace | None]:
    """From now on work here belongs to ``trace``, until ``unset_trace``."""
    return _current.set(trace)


def unset_trace(token: Token[Trace | None]) -> None:
    """Work belongs again to what it belonged to before."""
    _current.reset(token)


@contextmanager
def tracing(trace: Trace) -> Generator[None]:
    """Work inside belongs to ``trace``."""
    token = set_trace(trace)
    try:
        yield
    finally:
        unset_trace(token)


def _add_trace(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    trace = _current.get()
    if trace is not None:
        event.setdefault("request_id", trace.request_id)
        event.setdefault("trace_id", trace.trace_id)
    return event


_frames = ExceptionDictTransformer(show_locals=False)


def _without_values(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Frames, types and the first line of each text: the lines that follow repeat what people wrote.

    So do PostgreSQL (``DETAIL: Key (phone)=…``) and pydantic (``input_value=…``).
    """
    stacks = _frames(exc_info)
    for stack in stacks:
        stack["exc_value"] = str(stack["exc_value"]).partition("\n")[0][:300]
        stack.pop("exc_notes", None)
    return stacks


def _for_a_person(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Without the trace, which only a machine follows, and with what was raised as lines of text."""
    event.pop("trace_id", None)
    stacks: list[Mapping[str, Any]] | None = event.get("exception")
    if stacks is not None:
        event["exception"] = "\n".join(_told(stack) for stack in stacks)
    return event


def _told(stack: Mapping[str, Any]) -> str:
    frames = [f"  {frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in stack["frames"]]
    return "\n".join([*frames, f"{stack['exc_type']}: {stack['exc_value']}"])


def _is_for_a_person(form: LogFormat) -> bool:
    on_a_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    return form == "console" or (form == "auto" and on_a_terminal)


def set_up_logging(level: str, form: LogFormat = "auto") -> None:
    """Logs on standard error, our own and those of libraries: JSON lines, or text on a terminal."""
    readable = _is_for_a_person(form)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        _add_trace,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
        if readable
        else structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Never the variables of the frames: tokens, codes and names are among them.
        structlog.processors.ExceptionRenderer(_without_values),
        log_queue.redact,
    ]
    last: list[Any] = (
        [
            log_queue.queue.processor,
            _for_a_person,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
        if readable
        else [log_queue.queue.renderer]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    # It calls each try to reach a broker that is away an error; the transport says so itself, once.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
