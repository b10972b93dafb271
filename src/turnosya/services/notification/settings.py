"""What can be set for notification."""

from pydantic import Field

from turnosya.runtime.settings import Settings


class NotificationSettings(Settings):
    """Settings of the notification service."""

    notification_poll_s: float = Field(
        1.0, gt=0, description="How often waiting deliveries are looked for when nobody said there is one."
    )
    deliveries_kept_days: int = Field(90, ge=1, description="How long it is known what was sent to whom.")
