"""What is done, step by step, for a collector of traces; where none is set a step costs next to nothing.

A step is a ``Trace`` with a beginning and an end. Which traces are told is decided where they come in, once;
the flag of ``traceparent`` carries it on. Names and attributes are words of ours and ids, never what a person
wrote.
"""

from __future__ import annotations

import random
from contextvars import Token
from dataclasses import replace
from enum import Enum
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from turnosya.runtime.telemetry import Trace, begin_trace, current_trace, set_trace, unset_trace

if TYPE_CHECKING:
    from typing import Self

Value = str | int


class Kind(Enum):
    """On which side of what kind of hand-over a step is, as OpenTelemetry has it."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Recorder(Protocol):
    """Who is told of steps that ended."""

    share: float
    """Of all traces, how many are told: 0 to 1."""

    def keep(self, span: Span) -> None:
        """Takes it at once; never blocks or raises."""


_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """From now on steps of sampled traces are told to this one; to nobody with None."""
    global _recorder  # noqa: PLW0603 - a process has one, as it has one log
    _recorder = recorder


def is_recording() -> bool:
    """Whether this process tells anybody of its steps."""
    return _recorder is not None


def enter(request_id: str | None, traceparent: str | None) -> Trace:
    """The first step of ours of a trace, which may have begun outside; whether it is told is decided here.

    By chance, not by the flag or the id that came: strangers choose those.
    """
    # Not for secrets: whom chance picks gains nothing.
    sampled = _recorder is not None and random.random() < _recorder.share  # noqa: S311
    return replace(begin_trace(request_id, traceparent), sampled=sampled)


def enter_untold(request_id: str | None, traceparent: str | None) -> Trace:
    """The same of what is never told: who looks whether we live, and sockets, which last for hours."""
    return replace(begin_trace(request_id, traceparent), sampled=False)


class Span:
    """One step: work inside ``with`` belongs to its trace."""

    __slots__ = (
        "_token",
        "attributes",
        "began_ns",
        "ended_ns",
        "failure",
        "kind",
        "name",
        "service",
        "trace",
    )

    def __init__(self, trace: Trace, service: str, kind: Kind, name: str, **attributes: Value) -> None:
        self.trace = trace
        self.service = service
        self.kind = kind
        self.name = name
        self.attributes = attributes
        self.failure: str | None = None
        self.began_ns = self.ended_ns = 0
        self._token: Token[Trace | None] | None = None

    def begin(self) -> None:
        """Now; for a step that work does not belong to."""
        self.began_ns = time_ns()

    def end(self) -> None:
        """Now: it is told."""
        if _recorder is not None:
            self.ended_ns = time_ns()
            _recorder.keep(self)

    def fail(self, why: str) -> None:
        """It did not do what it was to do; the first reason stays."""
        self.failure = self.failure or why

    def note(self, name: str, value: Value) -> None:
        """One more attribute."""
        self.attributes[name] = value

    def __enter__(self) -> Self:
        self._token = set_trace(self.trace)
        if self.trace.sampled:
            self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._token is not None:
            unset_trace(self._token)
        if self.trace.sampled:
            if kind is not None:
                self.fail(kind.__name__)
            self.end()


class Untold:
    """A step of a trace that nobody is told of."""

    def fail(self, why: str) -> None:
        """Nobody is told."""

    def note(self, name: str, value: Value) -> None:
        """Nobody is told."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


_UNTOLD = Untold()


def step(service: str, kind: Kind, name: str, **attributes: Value) -> Span | Untold:
    """A step within the one that is being taken, if that is told."""
    trace = current_trace()
    if _recorder is None or trace is None or not trace.sampled:
        return _UNTOLD
    return Span(trace.next(), service, kind, name, **attributes)
