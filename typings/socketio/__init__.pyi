# What of python-socketio is used; it has no types of its own.
from collections.abc import Awaitable, Callable
from typing import Any

class AsyncClient:
    connected: bool
    eio: Any
    def __init__(
        self,
        *,
        reconnection: bool = ...,
        reconnection_delay: float = ...,
        reconnection_delay_max: float = ...,
        logger: bool = ...,
    ) -> None: ...
    def on(self, event: str, handler: Callable[..., Awaitable[None] | None]) -> None: ...
    async def connect(
        self,
        url: str,
        *,
        auth: Callable[[], dict[str, str]] | dict[str, str] = ...,
        transports: list[str] = ...,
        wait_timeout: float = ...,
    ) -> None: ...
    async def call(self, event: str, data: object = ..., *, timeout: float = ...) -> Any: ...  # noqa: ANN401, ASYNC109 - the library's own
    async def disconnect(self) -> None: ...
