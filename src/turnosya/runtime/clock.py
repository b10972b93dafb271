"""The clock of booking, jobs and notification: real time or, in development, the instant it was set to."""

from collections.abc import Callable
from datetime import UTC, datetime


def real_now() -> datetime:
    """Real time as aware UTC."""
    return datetime.now(UTC)


class Clock:
    """Tells the instant by which the product decides; leases, codes, tokens and logs stay on real time.

    When set it stands still until it is released (ARCHITECTURE.md, "Clocks").
    """

    def __init__(self) -> None:
        self.version = 0
        self._set_to: datetime | None = None
        self._watchers: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether it stands at an instant somebody chose."""
        return self._set_to is not None

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        return self._set_to if self._set_to is not None else real_now()

    def use(self, *, version: int, set_to: datetime | None) -> None:
        """Stands at ``set_to``, or runs with real time if None; an older version is ignored."""
        if version < self.version:
            return
        self.version, self._set_to = version, set_to
        for watcher in self._watchers:
            watcher()

    def on_change(self, watcher: Callable[[], None]) -> None:
        """``watcher`` is called whenever the clock was set or released."""
        self._watchers.append(watcher)
