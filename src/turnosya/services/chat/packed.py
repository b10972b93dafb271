"""Events as they go over the wire, made once for all who are handed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from engineio import packet as engine_packet
from socketio import packet

from turnosya.services.chat.live import Packed


def event(name: str, body: Mapping[str, Any]) -> Packed:
    """An event of the server."""
    return message(packet.Packet(packet.EVENT, data=[name, body]))


def message(said: packet.Packet) -> Packed:
    """Any packet of Socket.IO as one of Engine.IO, which keeps how it is encoded."""
    return engine_packet.Packet(engine_packet.MESSAGE, data=cast("str", said.encode()))
