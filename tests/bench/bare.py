"""``python -m tests.bench.bare serve``: our program with nothing counted, logged, told or measured.

For one purpose: beside the program as it is, it shows what being watched costs.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import prometheus_client
import structlog

import turnosya.app
import turnosya.commands
import turnosya.runtime.service
from turnosya.__main__ import main
from turnosya.runtime.spans import Span


class _Nothing:
    """A counter that does not count."""

    def labels(self, *_: object, **__: object) -> "_Nothing":
        return self

    def inc(self, *_: object) -> None:
        pass

    set = observe = dec = inc


_NOTHING = _Nothing()


@asynccontextmanager
async def _nothing(*_: object, **__: object) -> AsyncGenerator[None]:
    yield


def _itself(span: Span) -> Span:
    return span


def _quiet(*_: object) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


async def _for_ever(*_: object) -> None:
    await asyncio.Event().wait()


def strip() -> None:
    """Takes all of it out of this process."""
    for kind in (prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram):
        patched: Any = kind
        patched.labels = _NOTHING.labels
        for name in ("inc", "dec", "set", "observe"):
            if hasattr(kind, name):
                setattr(patched, name, _NOTHING.inc)
    span: Any = Span
    span.__enter__, span.__exit__ = _itself, _NOTHING.inc
    app: Any = turnosya.app
    app.shipping_logs, app.watch_loop = _nothing, _for_ever
    service: Any = turnosya.runtime.service
    service.measure_forever = _for_ever
    commands: Any = turnosya.commands
    commands.set_up_logging = _quiet


if __name__ == "__main__":
    strip()
    main()
