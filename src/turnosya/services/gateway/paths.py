"""Which service a path belongs to. What is not in this table does not exist outside."""

from dataclasses import dataclass

# Under these the service sees every path; the key is the first segment after /v1.
_NOUNS = {
    b"auth": "auth",
    b"users": "users",
    b"businesses": "business",
    b"turnos": "turnos",
    b"chat": "chat",
    b"files": "files",
    b"jobs": "jobs",
    b"checks": "checks",
}
WEBHOOK = b"/v1/notification/webhooks/whatsapp"
# The same of other paths by their first segment: sockets, and the pages of businesses.
_FOLDERS = {b"socket.io": "chat", b"b": "business"}
_EXACT = {
    WEBHOOK: "notification",
    b"/v1/notification/agenda-settings": "notification",
    b"/status": "checks",
}
# The pages and calls that show and move what production has no use for.
_DEVELOPMENT = {
    b"/v1/dev/messages": "notification",
    b"/dev": "notification",
    b"/dev/chat": "chat",
    b"/v1/dev/clock": "jobs",
}
HEALTH = frozenset({b"/healthz", b"/readyz"})
_OWN = HEALTH | {b"/", b"/openapi.json", b"/docs"}
OWN = "gateway"

UPLOADS = b"/v1/files"
SOCKETS = b"/socket.io"


@dataclass(frozen=True, slots=True)
class PathTable:
    """``find(raw_path)`` is the name of the service that answers it, or None.

    ``development`` adds what shows messages and moves the clock.
    """

    development: bool

    def find(self, raw_path: bytes) -> str | None:
        """Matched on the bytes that are handed on, so that both read the same path."""
        _, first, *rest = raw_path.split(b"/", 3)
        if first == b"v1" and rest and rest[0] in _NOUNS:
            return _NOUNS[rest[0]]
        if first in _FOLDERS:
            return _FOLDERS[first]
        if raw_path in _OWN or raw_path.startswith(b"/docs/"):
            return OWN
        if raw_path in _EXACT:
            return _EXACT[raw_path]
        if self.development:
            return _DEVELOPMENT.get(raw_path) or ("notification" if raw_path.startswith(b"/dev/") else None)
        return None


SERVICES = tuple(sorted({*_NOUNS.values(), *_EXACT.values()}))


def takes_sockets(raw_path: bytes) -> bool:
    """Whether a WebSocket may be opened there: on chat's path only."""
    return raw_path == SOCKETS or raw_path.startswith(SOCKETS + b"/")


def is_upload(target: bytes) -> bool:
    """Whether a request target is under the one path with larger and slower bodies."""
    return target.startswith(UPLOADS) and target[len(UPLOADS) : len(UPLOADS) + 1] in (b"", b"/", b"?")


def is_webhook(target: bytes) -> bool:
    """Whether a request target is where a provider sends receipts, many in one body."""
    return target.partition(b"?")[0] == WEBHOOK
