"""Watches that a client takes its answer: one that never reads would keep its connection for ever."""

import asyncio


class ReaderWatch:
    """Cuts a connection whose unsent bytes shrink by less than ``bytes_per_s``.

    ``transport.close()`` first sends what is left, without end if nobody reads; so whoever closes starts
    this watch as well. Judged every ``check_s``.
    """

    def __init__(self, transport: asyncio.Transport, *, check_s: float, bytes_per_s: int) -> None:
        self._transport = transport
        self._check_s = check_s
        self._due_bytes = check_s * bytes_per_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to watch, if anything is left to be sent."""
        unsent_bytes = self._transport.get_write_buffer_size()
        if self._timer is None and unsent_bytes:
            self._check_later(unsent_bytes)

    def stop(self) -> None:
        """The client reads again, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_later(self, unsent_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._check_s, self._judge, unsent_bytes)

    def _judge(self, unsent_bytes_before: int) -> None:
        self._timer = None
        unsent_bytes = self._transport.get_write_buffer_size()
        if unsent_bytes > unsent_bytes_before - self._due_bytes and unsent_bytes:
            self._transport.abort()
        elif unsent_bytes:
            self._check_later(unsent_bytes)
