"""What the gateway answers itself: health, the merged document and the page that shows it."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.types import Scope

from turnosya.runtime.messages import NotFound
from turnosya.runtime.problems import MethodNotAllowed
from turnosya.services.gateway.exchange import Exchange
from turnosya.services.gateway.openapi import MergedDocument
from turnosya.services.gateway.rules import value_of

# The package carries Swagger UI itself, so that the page needs nothing from outside.
_SWAGGER = files("fastapi_swagger") / "resources"
_ASSETS = {
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "swagger-ui.css": b"text/css; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
_PAGE = b"""<!doctype html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TurnosYa API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<noscript>Sin JavaScript: <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "none",
  persistAuthorization: true,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_POLICY = (
    b"content-security-policy",
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
)
_DAY = (b"cache-control", b"public, max-age=86400")
_JSON = (b"content-type", b"application/json")


class OwnPages:
    """Answers ``/healthz``, ``/readyz``, ``/openapi.json``, ``/docs``; from ``/`` a browser is sent there."""

    def __init__(self, document: MergedDocument, *, is_ready: Callable[[], Awaitable[bool]]) -> None:
        self._document = document
        self._is_ready = is_ready
        self._assets: dict[str, bytes] = {"start.js": _START}

    async def answer(self, scope: Scope, exchange: Exchange) -> None:
        """GET and HEAD only; raises NotFound for an unknown part of the page."""
        if scope["method"] not in {"GET", "HEAD"}:
            exchange.extra.append((b"allow", b"GET, HEAD"))
            raise MethodNotAllowed
        match scope["raw_path"]:
            case b"/healthz":
                await exchange.answer(200, [_JSON], b'{"status":"ok"}')
            case b"/readyz" if await self._is_ready():
                await exchange.answer(200, [_JSON], b'{"status":"ok"}')
            case b"/readyz":
                await exchange.answer(503, [_JSON, (b"retry-after", b"2")], b'{"status":"not ready"}')
            case b"/openapi.json":
                await exchange.answer(200, [_JSON], await self._document.get())
            case b"/" if b"text/html" in (value_of(exchange.headers, b"accept") or b""):
                await exchange.answer(307, [(b"location", b"/docs"), (b"vary", b"accept")], b"")
            case b"/":
                raise NotFound
            case b"/docs":
                await exchange.answer(200, [(b"content-type", b"text/html; charset=utf-8"), _POLICY], _PAGE)
            case _:
                await self._asset(scope["path"].removeprefix("/docs/"), exchange)

    async def _asset(self, name: str, exchange: Exchange) -> None:
        if name not in self._assets:
            if name not in _ASSETS:
                raise NotFound
            self._assets[name] = _SWAGGER.joinpath(name).read_bytes()
        kind = _ASSETS.get(name, b"text/javascript; charset=utf-8")
        await exchange.answer(200, [(b"content-type", kind), _DAY], self._assets[name])
