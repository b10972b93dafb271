"""Free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket

# Below the range from which Linux (32768) and macOS (49152) draw the ports of outgoing connections: a client
# that knocks at a dead server's port inside that range can be given that very port, connect to itself and
# keep the server from coming back.
FIRST, LAST = 15000, 32000


def free_port(first: int = FIRST, last: int = LAST) -> int:
    """A port on 127.0.0.1, within the bounds, that nobody listens on now."""
    draw = random.SystemRandom()
    while True:
        port = draw.randint(first, last)
        with socket.socket() as probe:
            # As servers do, so that a port whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
