CONNECT: int
DISCONNECT: int
EVENT: int
ACK: int
CONNECT_ERROR: int
BINARY_EVENT: int
BINARY_ACK: int

class Packet:
    packet_type: int
    data: object
    namespace: str | None
    id: int | None
    attachment_count: int
    def __init__(
        self,
        packet_type: int = ...,
        data: object = ...,
        namespace: str | None = ...,
        id: int | None = ...,
        binary: bool | None = ...,
        encoded_packet: str | None = ...,
    ) -> None: ...
    def encode(self) -> str | list[str | bytes]: ...
    def add_attachment(self, attachment: bytes) -> bool: ...
