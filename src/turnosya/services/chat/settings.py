"""What can be set for chat."""

from pydantic import Field

from turnosya.runtime.settings import Settings


class ChatSettings(Settings):
    """Settings of the chat service."""

    chat_ping_s: int = Field(
        10,
        ge=1,
        le=12,
        description="How often a socket is asked whether it lives; less than a poll may take.",
    )
    chat_connect_within_s: float = Field(
        20.0, gt=0, description="A socket that has not said who it is by then is closed."
    )
    chat_sweep_s: float = Field(
        1.0, gt=0, description="How often conversations are looked at for which no hint came."
    )
    chat_tell_after_s: float = Field(
        3.0, ge=0, description="A message that has reached no socket of somebody by then is told by push."
    )
