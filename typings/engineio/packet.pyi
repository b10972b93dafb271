OPEN: int
CLOSE: int
PING: int
PONG: int
MESSAGE: int
UPGRADE: int
NOOP: int

class Packet:
    packet_type: int
    data: object
    def __init__(self, packet_type: int = ..., data: object = ..., encoded_packet: object = ...) -> None: ...
