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
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("reason", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    UniqueConstraint("occasion", "person", "channel", "template", name="one_delivery_each"),
    CheckConstraint("state IN ('queued', 'sent', 'failed', 'suppressed')", name="known_state"),
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
