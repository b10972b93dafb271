"""What can be set for checks."""

from pydantic import Field

from turnosya.runtime.settings import Settings


class ChecksSettings(Settings):
    """Settings of the checks service."""

    health_every_s: float = Field(
        2.0, gt=0, le=5, description="How often each service is asked whether it lives."
    )
    audit_kept_days: int = Field(90, ge=1, description="How long it is known what happened to accounts.")
    logs_kept_days: int = Field(14, ge=1, description="How long what was logged can be found again.")
    error_logs_kept_days: int = Field(90, ge=1, description="The same for errors.")
