"""HEAD: the answer of a GET that ends with its fields (RFC 9110 §9.3.2)."""

from starlette.types import Message, Receive, Send


def without_body(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Both ends of an answer that has fields only; a stream learns after them that nobody listens."""
    is_over = False

    async def receiving() -> Message:
        return {"type": "http.disconnect"} if is_over else await receive()

    async def sending(message: Message) -> None:
        nonlocal is_over
        if message["type"] != "http.response.body":
            await send(message)
        elif not is_over:
            is_over = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return receiving, sending
