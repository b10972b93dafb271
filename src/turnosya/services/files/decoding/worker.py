"""The process that decodes: an order a line on its input, an answer a line on its output.

Each order is done by a child of its own, with limits on memory and time: a hostile file does its worst there.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

import psutil

from turnosya.services.files.decoding import papers, pictures
from turnosya.services.files.decoding.wire import CORRUPT, Order, line_of, order_of

_MEMORY_BYTES = 512 * 1024 * 1024
_WRITTEN_BYTES = 256 * 1024 * 1024
_MUCH = 1_000_000


def main() -> None:
    """Decodes for ever."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin.buffer:
        answers.write(_done(order_of(line)))
        answers.flush()


def _done(order: Order) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(order, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read(_MUCH)
    os.waitpid(child, 0)
    return answer if answer.endswith(b"\n") else line_of(CORRUPT)


def _work(order: Order, writing: int) -> None:
    """In the child: answers and ends, however that may be."""
    try:
        seconds = max(1, round(order.within_s))
        used = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY_BYTES, used + _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_WRITTEN_BYTES, _WRITTEN_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(seconds)
        work = papers.made if order.content_type == "application/pdf" else pictures.made
        os.write(writing, line_of(work(order)))
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
