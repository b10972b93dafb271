"""What can be set for users."""

from pydantic import Field

from turnosya.runtime.links import LinkSettings


class UsersSettings(LinkSettings):
    """Settings of the users service."""

    password_workers: int = Field(
        2, ge=1, le=64, description="Passwords hashed at once; each takes 19 MiB and one core for some 25 ms."
    )
    password_queue: int = Field(
        200,
        ge=1,
        le=100_000,
        description="Passwords that may wait for their turn; beyond that the answer is 503.",
    )
