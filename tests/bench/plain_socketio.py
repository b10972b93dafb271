"""``python -m tests.bench.plain_socketio PORT``: python-socketio with nothing behind it, to compare with.

Whoever writes is acknowledged and shown to everybody.
"""

import sys
from itertools import count
from typing import Any

import socketio
import uvicorn

from turnosya.runtime.clock import real_now

_library: Any = socketio
_numbers = count(1)
_server = _library.AsyncServer(async_mode="asgi", transports=["websocket"])


async def send(_sid: str, body: dict[str, Any]) -> dict[str, Any]:
    """What was written, with its number."""
    seq = next(_numbers)
    message = {**body, "id": str(seq), "seq": seq, "sent_at": real_now().isoformat()}
    await _server.emit("message:new", message)
    return {"ok": True, "message": message}


if __name__ == "__main__":
    _server.on("message:send", send)
    uvicorn.run(
        _library.ASGIApp(_server), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", loop="uvloop"
    )
