"""What can be set for business: nothing of its own yet."""

from turnosya.runtime.settings import Settings


class BusinessSettings(Settings):
    """Settings of the business service."""
