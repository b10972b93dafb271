"""What can be set for turnos."""

from pydantic import Field

from turnosya.runtime.links import LinkSettings


class TurnosSettings(LinkSettings):
    """Settings of the turnos service."""

    hold_minutes: int = Field(5, ge=1, le=60, description="How long a client may hold a time while deciding.")
    holds_per_client: int = Field(2, ge=1, le=20, description="Times one client may hold in one business.")
    take_back_after_s: float = Field(
        10.0, gt=0, description="A change that business asked about and does not know after this is undone."
    )
    shops_kept: int = Field(
        2000, ge=1, description="Businesses whose hours each process keeps worked out in memory."
    )
