"""What can be set for business."""

from pydantic import Field

from turnosya.runtime.links import PublicSettings


class BusinessSettings(PublicSettings):
    """Settings of the business service."""

    verification_days: int = Field(
        365, ge=1, le=3650, description="How long a business is verified once an admin has seen its papers."
    )
