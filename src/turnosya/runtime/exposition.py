"""What Prometheus reads of this process, as text: the client library's own lines, made in half of its time.

The library looks at every line's name anew by regular expressions; ours are well formed (promtool says so in
the tests), and what stands between the braces stays the same from scrape to scrape.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.utils import floatToGoString  # pyright: ignore[reportUnknownVariableType]

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

CONTENT_TYPE = CONTENT_TYPE_LATEST
# More than a process has series; all are made again when there are more.
_REMEMBERED = 20_000
# A thread that makes lines lets the event loop go on after so many of them.
_AT_ONCE = 200
# OpenMetrics has types that this format has not.
_ENDINGS = {"counter": "_total", "info": "_info"}
_TYPES = {"info": "gauge", "stateset": "gauge", "gaugehistogram": "histogram", "unknown": "untyped"}

_series: dict[tuple[str, ...], str] = {}


def exposition(registry: CollectorRegistry) -> bytes:
    """All metrics of ``registry`` in the text format. For a thread: thousands of lines take a while."""
    if len(_series) > _REMEMBERED:
        _series.clear()
    lines: list[str] = []
    for metric in registry.collect():
        name, kind = metric.name + _ENDINGS.get(metric.type, ""), _TYPES.get(metric.type, metric.type)
        documentation = metric.documentation.replace("\\", r"\\").replace("\n", r"\n")
        lines.append(f"# HELP {name} {documentation}\n# TYPE {name} {kind}\n")
        for place, sample in enumerate(metric.samples, 1):
            key = (sample.name, *sample.labels.values())
            series = _series.get(key)
            if series is None:
                series = _series[key] = _written(sample.name, sample.labels)
            # Most are: buckets that nothing has fallen into.
            value = floatToGoString(sample.value) if sample.value else "0.0"  # type: ignore[no-untyped-call]
            lines.append(f"{series} {value}\n")
            if place % _AT_ONCE == 0:
                sleep(0)
    return "".join(lines).encode()


def _written(name: str, labels: Mapping[str, str]) -> str:
    if not labels:
        return name
    pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in sorted(labels.items()))
    return f"{name}{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
