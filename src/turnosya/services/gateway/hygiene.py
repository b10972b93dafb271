"""Which header fields pass the front door, inwards and outwards, and which it adds itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from turnosya.runtime.telemetry import new_request_id, well_formed_request_id
from turnosya.services.gateway import rules
from turnosya.services.gateway.rules import Headers, Network

# Everything a service of ours reads. X-User-*, X-Internal-*, X-Forwarded-*, Forwarded, X-Real-IP,
# X-Original-URL and whatever else only the inside may set is not among them, so it is dropped.
_INWARDS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"last-event-id",
        b"origin",
        b"range",
        b"tracestate",
        b"user-agent",
        b"x-hub-signature-256",
    }
)
_OUTWARDS = frozenset(
    {
        b"accept-ranges",
        b"allow",
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"deprecation",
        b"etag",
        b"expires",
        b"idempotent-replayed",
        b"last-modified",
        b"link",
        b"location",
        b"ratelimit",
        b"ratelimit-policy",
        b"retry-after",
        b"sunset",
        b"vary",
        b"www-authenticate",
    }
)
ACCESS_ENDED = b"x-internal-access-ended"
TIMEOUT_MS = b"x-internal-timeout-ms"
# Several services may listen on one port: which of them is asked.
SERVICE = b"x-internal-service"

_ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_NO_STORE = (b"cache-control", b"no-store")
_NOTHING_LOADS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# The pages of the development mode are the only HTML that a service answers.
_OWN_PAGES = (
    b"content-security-policy",
    b"default-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'",
)
_EXPOSED = b"ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_FIELDS = (
    b"Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, as the socket or a trusted proxy says."""

    address: str
    scheme: str
    host: bytes


def origin_of(headers: Headers, *, peer: str, scheme: str, proxies: Sequence[Network]) -> Origin:
    """The client's address, scheme and the host it asked for."""
    host = rules.value_of(headers, b"host") or b""
    if not rules.is_among(peer, proxies):
        return Origin(peer, scheme, host)
    forwarded_for = [value for name, value in headers if name == b"x-forwarded-for"]
    proto = (rules.value_of(headers, b"x-forwarded-proto") or b"").decode("latin-1").lower()
    return Origin(
        rules.client_behind(proxies, peer, forwarded_for),
        proto if proto in {"http", "https"} else scheme,
        rules.value_of(headers, b"x-forwarded-host") or host,
    )


def request_id_of(headers: Headers) -> str:
    """The caller's ``X-Request-Id`` if it is well formed and given once, else a new one."""
    given = [value for name, value in headers if name == b"x-request-id"]
    kept = well_formed_request_id(given[0].decode("latin-1")) if len(given) == 1 else None
    return kept or new_request_id()


def without_hop_fields(headers: Headers) -> list[tuple[bytes, bytes]]:
    """What may go on inside: the allow-list, less what ``Connection`` names (RFC 9110 §7.6.1)."""
    nominated: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            nominated.update(token.strip() for token in value.lower().split(b","))
    allowed = _INWARDS - nominated if nominated & _INWARDS else _INWARDS
    # Content-Length frames the body we have already read by it; nobody may take it away.
    return [field for field in headers if field[0] in allowed or field[0] == b"content-length"]


def own_fields(
    origin: Origin, *, service: str, request_id: str, timeout_s: float
) -> list[tuple[bytes, bytes]]:
    """What the front door says to a service about a request."""
    return [
        (SERVICE, service.encode("ascii")),
        (b"x-request-id", request_id.encode("ascii")),
        (b"x-forwarded-for", origin.address.encode("ascii", "replace")),
        (b"x-forwarded-proto", origin.scheme.encode("ascii")),
        (b"x-forwarded-host", origin.host),
        (TIMEOUT_MS, b"%d" % int(timeout_s * 1000)),
    ]


@dataclass(frozen=True, slots=True)
class Outwards:
    """Makes the header fields of answers; one for the whole gateway.

    ``cors_origins`` is an allow-list of whole origins (``https://app.example``).
    """

    cors_origins: frozenset[bytes]
    https_only: bool

    def fields(
        self, upstream: Iterable[tuple[bytes, bytes]], *, request_id: str, origin: bytes | None
    ) -> list[tuple[bytes, bytes]]:
        """The allowed fields of a service's answer and our own; X-Internal-* ends here."""
        passed = [(name, value) for raw, value in upstream if (name := raw.lower()) in _OUTWARDS]
        names = {name for name, _ in passed}
        passed.append((b"x-request-id", request_id.encode("ascii")))
        passed.extend(_ALWAYS)
        if b"cache-control" not in names:
            passed.append(_NO_STORE)
        if b"content-security-policy" not in names:
            content_type = rules.value_of(passed, b"content-type") or b""
            passed.append(_OWN_PAGES if content_type.startswith(b"text/html") else _NOTHING_LOADS)
        if self.https_only:
            passed.append(_HSTS)
        if self.cors_origins:
            passed.append((b"vary", b"Origin"))
            if origin is not None and origin in self.cors_origins:
                passed.append((b"access-control-allow-origin", origin))
                passed.append((b"access-control-expose-headers", _EXPOSED))
        return passed

    def preflight(self, headers: Headers) -> list[tuple[bytes, bytes]] | None:
        """The fields of a CORS preflight's answer (Fetch §3.2.2); None if the request is none."""
        origin = rules.value_of(headers, b"origin")
        if origin is None or rules.value_of(headers, b"access-control-request-method") is None:
            return None
        if origin not in self.cors_origins:
            return []
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_FIELDS),
            (b"access-control-max-age", b"600"),
        ]

    def may_open_socket(self, headers: Headers, origin: Origin) -> bool:
        """Whether a WebSocket may be opened from where it comes: no browser, our own page, or listed."""
        claimed = rules.value_of(headers, b"origin")
        if claimed is None or claimed in self.cors_origins:
            return True
        return claimed == origin.scheme.replace("ws", "http").encode("ascii") + b"://" + origin.host
