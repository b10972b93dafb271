"""The tables of notification: what is to be delivered, and what development shows instead of sending."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    # The order in which deliveries came to be, whatever the clock says.
    Column("number", BigInteger, Identity(always=True), nullable=False, unique=True),
    # What it is about: the event's id, or challenge and sending of a code.
    Column("occasion", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("reader", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("address", Text, nullable=False),
    # All that somebody may be looked for by; e-mail in lower case.
    Column("user_id", Uuid),
    Column("phone", Text),
    Column("email", Text),
    # What the template says, and what an app needs to open the right page.
    Column("facts", JSONB, nullable=False),
    Column("data", JSONB, nullable=False),
    # The event that carries a code, as it was stored on the way (encrypted); null once the delivery ended.
    Column("sealed", LargeBinary),
    # What a link in it is for; the link itself is made when the message is written.
    Column("link", JSONB(none_as_null=True)),
    # Somebody else whom the facts name: an owner reads who the client is.
    Column("about_user_id", Uuid),
    # The channels and addresses that are tried after this one, in their order.
    Column("ways", JSONB, nullable=False, server_default="[]"),
    # A reminder is of no use once its turno has another time: [turno, its start when it was queued].
    Column("turno_id", Uuid),
    Column("turno_starts_at", DateTime(timezone=True)),
    # Its reader's next quiet hours: while they last it waits, on the clock of the service.
    Column("quiet_from", DateTime(timezone=True)),
    Column("quiet_until", DateTime(timezone=True)),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("reason", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    # How often it was handed to a provider; who hands it on now, and until when nobody else may.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claim", Uuid),
    Column("claimed_until", DateTime(timezone=True)),
    Column("handed_at", DateTime(timezone=True)),
    Column("retry_at", DateTime(timezone=True)),
    # When the next channel is tried unless this one has delivered by then.
    Column("fallback_at", DateTime(timezone=True)),
    # What the provider calls it, and what it said became of it.
    Column("provider_id", Text),
    Column("delivered_at", DateTime(timezone=True)),
    Column("read_at", DateTime(timezone=True)),
    UniqueConstraint("occasion", "person", "channel", "template", name="one_delivery_each"),
    CheckConstraint(
        "state IN ('queued', 'sent', 'delivered', 'read', 'failed', 'suppressed', 'unknown_outcome')",
        name="known_state",
    ),
    Index("deliveries_of_line", "lane", "channel", "number", postgresql_where=text("state = 'queued'")),
    Index("deliveries_claimed", "claimed_until", postgresql_where=text("claim IS NOT NULL")),
    Index("deliveries_to_fall_back", "fallback_at", postgresql_where=text("fallback_at IS NOT NULL")),
    Index(
        "deliveries_handed",
        "address",
        "handed_at",
        postgresql_where=text("channel = 'whatsapp' AND handed_at IS NOT NULL"),
    ),
    Index(
        "deliveries_of_provider",
        "provider_id",
        unique=True,
        postgresql_where=text("provider_id IS NOT NULL"),
    ),
    Index("deliveries_waiting", "lane", "number", postgresql_where=text("state = 'queued'")),
    Index("deliveries_of_user", "user_id"),
    Index("deliveries_about_user", "about_user_id"),
    Index("deliveries_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)

# One row a day (UTC): how many codes were sent on it, in all.
code_days = Table(
    "code_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("sent", BigInteger, nullable=False),
)

# Addresses that nothing may go to: those who said STOP, and those that a provider says nobody has.
suppressions = Table(
    "suppressions",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    # Null is for good.
    Column("until", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# One row a channel: when the next message may go, and why none goes now. For all copies of the service.
channels = Table(
    "channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("next_at", DateTime(timezone=True)),
    Column("paused_until", DateTime(timezone=True)),
    Column("paused_for", Text),
)

# What reminders and agendas are made of: each turno as its last event told it.
kept_turnos = Table(
    "kept_turnos",
    metadata,
    Column("appointment_id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("business_id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("appointment", JSONB, nullable=False),
    Index("kept_turnos_of_business", "business_id", "starts_at"),
    Index("kept_turnos_of_client", "client_id"),
    Index("kept_turnos_over", "starts_at"),
)

# One row for each time at which a client is to be reminded; gone when that was done. On the service clock.
reminders = Table(
    "reminders",
    metadata,
    Column(
        "appointment_id",
        Uuid,
        ForeignKey("kept_turnos.appointment_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("minutes_before", Integer, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Index("reminders_due", "due_at"),
)

# When a business's owner next gets the agenda of a day, or the summary of a week. On the service clock.
agendas = Table(
    "agendas",
    metadata,
    Column("business_id", Uuid, primary_key=True),
    Column("kind", Text, CheckConstraint("kind IN ('daily', 'weekly')", name="known_kind"), primary_key=True),
    Column("owner_id", Uuid, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Index("agendas_due", "next_at"),
    Index("agendas_of_owner", "owner_id"),
)

# Only of those who chose; null times are for never.
agenda_settings = Table(
    "agenda_settings",
    metadata,
    Column("owner_id", Uuid, primary_key=True),
    Column("daily_at", Text),
    Column("weekly_at", Text),
    Column("weekday", Integer, nullable=False, server_default="1"),
)

# When the job that does what is due was last asked for, so that it is not asked for with every booking.
wakes = Table(
    "wakes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("run_at", DateTime(timezone=True), nullable=False),
)

# Messages of people that a webhook has brought: by the provider's id, for as long as it may bring them again.
words = Table(
    "words",
    metadata,
    Column("provider_id", Text, primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Development only: there is no WhatsApp, e-mail or push account, so what would be sent is kept here.
messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("user_id", Uuid),
    Column("phone", Text),
    Column("email", Text),
    # On the service clock, which may stand still or go back: `number` is the order.
    Column("sent_at", DateTime(timezone=True), nullable=False),
    Index("messages_of_user", "user_id", "number"),
    Index("messages_of_phone", "phone", "number"),
    Index("messages_of_email", "email", "number"),
)
