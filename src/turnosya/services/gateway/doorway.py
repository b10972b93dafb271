"""What all connections of the listener share: the limits of the wire and who holds how many of them."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from turnosya.services.gateway import hygiene, rules
from turnosya.services.gateway.readers import ReaderWatch


@dataclass(frozen=True, slots=True)
class WireLimits:
    """How large, how slow and how many; the defaults are those of ``docs/security.md``."""

    target_bytes: int = 4096
    header_bytes: int = 16 * 1024
    header_fields: int = 64
    header_s: float = 10
    body_bytes: int = 1024 * 1024
    # An upload of exactly 25 MiB comes in a multipart envelope; the files service counts the file.
    upload_bytes: int = 25 * 1024 * 1024 + 16 * 1024
    # What WhatsApp says that one call of its webhook has at most.
    webhook_bytes: int = 3 * 1024 * 1024
    body_s: float = 30
    upload_s: float = 120
    body_bytes_per_s: int = 500
    # The first seconds of a body are not judged: a phone's first packets come late.
    body_grace_s: float = 5
    body_check_s: float = 1
    idle_s: float = 65
    # How long a refused client may go on sending before the connection is cut: closing at once would
    # reset it, and the client would never read why (RFC 9112 §9.6).
    linger_s: float = 2
    connections_per_address: int | None = 100
    loopback_exempt: bool = False
    proxies: tuple[rules.Network, ...] = ()
    # A client that takes its answer more slowly than ``body_bytes_per_s`` is cut off.
    reader_check_s: float = 10
    # Requests that wait on one connection behind an unanswered one; browsers send none ahead.
    waiting_requests: int = 16
    socket_message_bytes: int = 1024 * 1024
    socket_fragments: int = 1024


@dataclass(slots=True)
class Doorway:
    """One listener's limits, the fields of its answers and the connections each address holds."""

    limits: WireLimits
    outwards: hygiene.Outwards
    held: Counter[str] = field(default_factory=Counter[str])

    def enter(self, address: str) -> bool:
        """Counts a connection; False if the address then holds too many."""
        if self._is_exempt(address):
            return True
        key = rules.budget_key(address)
        self.held[key] += 1
        return self.held[key] <= (self.limits.connections_per_address or 0)

    def leave(self, address: str) -> None:
        """Takes back what ``enter`` counted."""
        if self._is_exempt(address):
            return
        key = rules.budget_key(address)
        self.held[key] -= 1
        if self.held[key] <= 0:
            del self.held[key]

    def watch_of(self, transport: asyncio.Transport) -> ReaderWatch:
        """The watch that a connection's client takes its answers."""
        limits = self.limits
        return ReaderWatch(transport, check_s=limits.reader_check_s, bytes_per_s=limits.body_bytes_per_s)

    def _is_exempt(self, address: str) -> bool:
        if self.limits.connections_per_address is None or rules.is_among(address, self.limits.proxies):
            return True
        return self.limits.loopback_exempt and rules.is_loopback(address)
