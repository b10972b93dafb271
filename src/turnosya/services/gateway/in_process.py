"""Hands a request to a service's ASGI application in this process."""

import structlog
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.utils import ClientDisconnected

from turnosya.runtime.problems import InternalError
from turnosya.services.gateway.exchange import Exchange

log = structlog.get_logger()


class InProcess:
    """Runs the application in the request's own task: no socket, no copy of the body, no second task."""

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, exchange: Exchange) -> None:
        """Raises ``InternalError`` if the application fails before it answers; after, the connection ends."""
        exchange.give_up_after(self._timeout_s)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnected:
            # A socket's service spoke to somebody who had just gone.
            return
        except Exception:
            log.exception("service_failed", request_id=exchange.request_id)
            raise InternalError from None
        finally:
            exchange.finish()
        if not exchange.started:
            raise InternalError
