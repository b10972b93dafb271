"""Socket.IO: ``engine`` fences the transport, ``server`` speaks the protocol, ``events`` answers."""
