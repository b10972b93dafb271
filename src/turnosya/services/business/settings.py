"""What can be set for business: where its pages are reached."""

from turnosya.runtime.links import PublicSettings


class BusinessSettings(PublicSettings):
    """Settings of the business service."""
