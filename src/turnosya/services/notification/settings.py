"""What can be set for notification."""

from pydantic import Field, SecretStr

from turnosya.runtime.links import LinkSettings

_PUSH_SERVICES = "fcm.googleapis.com updates.push.services.mozilla.com notify.windows.com web.push.apple.com"


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

    # --- WhatsApp Cloud API
    whatsapp_token: SecretStr | None = Field(
        None, description="Switches WhatsApp on: the access token of the system user."
    )
    whatsapp_phone_id: str = Field(
        "", pattern=r"^\d*$", description="The id (not the number) of the phone that sends."
    )
    whatsapp_account_id: str = Field(
        "", pattern=r"^\d*$", description="The WhatsApp business account, whose templates are compared."
    )
    whatsapp_app_secret: SecretStr | None = Field(
        None, description="With it the provider signs its webhooks; without it none is taken."
    )
    whatsapp_verify_token: SecretStr | None = Field(
        None, description="What the provider must know to register the webhook: any long random text."
    )
    whatsapp_url: str = Field(
        "https://graph.facebook.com/v23.0", pattern=r"^https?://", description="Where the Graph API answers."
    )
    whatsapp_template_prefix: str = Field(
        "turnosya_", pattern=r"^[a-z0-9_]*$", description="What the names of our templates begin with."
    )
    whatsapp_per_s: float = Field(80.0, gt=0, description="Messages a second that the number may send.")
    whatsapp_one_per_s: float = Field(
        6.0, ge=0, description="Seconds between two pieces of news to one person; codes do not wait."
    )

    # --- push
    fcm_account_file: str = Field(
        "", description="Switches push to phones on: the JSON key of the Firebase service account."
    )
    fcm_url: str = Field(
        "https://fcm.googleapis.com", pattern=r"^https?://", description="Where Firebase answers."
    )
    webpush_private_key: SecretStr | None = Field(
        None, description="Switches push to browsers on: the VAPID private key in base64url."
    )
    webpush_contact: str = Field(
        "mailto:soporte@turnosya.example",
        pattern=r"^(mailto:|https://)",
        description="Whom a push service may write to about us.",
    )
    webpush_hosts: str = Field(
        _PUSH_SERVICES, description="The push services that browsers may name, separated by spaces."
    )

    # --- e-mail
    smtp_url: SecretStr | None = Field(
        None, description="Switches e-mail on: `smtp://user:password@host:587`, or `smtps://` for port 465."
    )
    smtp_from: str = Field(
        "avisos@turnosya.example", pattern=r"^[^@\s]+@[^@\s]+$", description="The address that writes."
    )

    # --- all of them
    provider_timeout_s: float = Field(
        10.0, gt=0, description="How long a provider may take to answer; then it is not known if it has it."
    )
    provider_rest_s: float = Field(
        300.0, gt=0, description="How long a channel rests whose account does not work."
    )
    code_fallback_s: float = Field(
        20.0, gt=0, description="A code not delivered by then goes by the next channel, if there is one."
    )
    news_fallback_s: float = Field(
        1800.0,
        ge=0,
        description="News that matters, not delivered by WhatsApp by then, goes by the next channel as well,"
        " where receipts come in; 0 for never.",
    )
    hands_at_once: int = Field(
        32, ge=1, le=500, description="Messages of one line that are handed over at once in one process."
    )
