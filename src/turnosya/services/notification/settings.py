"""What can be set for notification."""

from pydantic import Field

from turnosya.runtime.links import LinkSettings


class NotificationSettings(LinkSettings):
    """Settings of the notification service."""

    notification_poll_s: float = Field(
        1.0, gt=0, description="How often waiting deliveries are looked for when nobody said there is one."
    )
    codes_a_day: int = Field(
        20_000,
        ge=1,
        description="Codes sent in all in a day (UTC); 30 % of them are kept for people with an account.",
    )
    deliveries_kept_days: int = Field(90, ge=1, description="How long it is known what was sent to whom.")
