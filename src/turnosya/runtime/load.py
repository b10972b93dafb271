"""How many HTTP requests wait for an answer of this process: what follows from events comes after them."""

from collections.abc import Callable

BUSY_FROM = 8
_waiting: set[object] = set()


def begin() -> Callable[[], None]:
    """A request has come. Call what is given when its answer begins; again changes nothing."""
    request = object()
    _waiting.add(request)

    def end() -> None:
        _waiting.discard(request)

    return end


def is_busy() -> bool:
    """Whether so many wait that work which nobody waits for should take little room."""
    return len(_waiting) >= BUSY_FROM
