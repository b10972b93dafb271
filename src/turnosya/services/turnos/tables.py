"""The tables of turnos. The constraints that keep a seat from being given twice are in the migration."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

# What business last told us, whole; a change it asked about is here before it is there.
businesses = Table(
    "businesses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    # Grows with every write here; `version` is business's own and falls when a change is taken back.
    Column("revision", Integer, nullable=False),
    Column("state", JSONB, nullable=False),
    # The state before a change that business has yet to make, and since when (real time) we wait.
    Column("previous", JSONB(none_as_null=True)),
    Column("applied_at", DateTime(timezone=True)),
)

schedules = Table(
    "schedules",
    metadata,
    Column("business_id", Uuid, primary_key=True),
    # Grows with every change of the schedule or of an override.
    Column("revision", Integer, nullable=False),
    Column("weekly", JSONB, nullable=False),
    Column("slot_step_minutes", Integer, nullable=False),
    Column("min_notice_minutes", Integer, nullable=False),
    Column("max_days_ahead", Integer, nullable=False),
    Column("cancellation_notice_minutes", Integer, nullable=False),
    Column("observe_holidays", Boolean, nullable=False),
    Column("confirmation", Text, nullable=False),
    Column("reschedule", Text, nullable=False),
)

overrides = Table(
    "overrides",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, nullable=False),
    Column("date", Date, nullable=False),
    Column("hours", JSONB, nullable=False),
    Column("staff_id", Uuid),
    Column("note", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

appointments = Table(
    "appointments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("client_name", Text),
    Column("client_phone", Text),
    Column("service_id", Uuid, nullable=False),
    Column("service_ids", ARRAY(Uuid)),
    Column("staff_id", Uuid, nullable=False),
    Column("wants_any", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("seat", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("busy_from", DateTime(timezone=True), nullable=False),
    Column("busy_to", DateTime(timezone=True), nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("utc_offset_s", Integer, nullable=False),
    Column("overbooked", Boolean, nullable=False),
    Column("price_amount", BigInteger),
    Column("price_currency", Text),
    Column("cancellation_notice_minutes", Integer, nullable=False),
    Column("note", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("for_appointment_id", Uuid),
    Column("hold_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    Column("history", JSONB, nullable=False),
    Column("series_id", Uuid),
    Column("shifted_by_dst", Boolean, nullable=False),
)

preferences = Table(
    "preferences",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("dayparts", ARRAY(Text)),
    Column("weekdays", ARRAY(Integer)),
    Column("staff", Text, nullable=False),
)

# Whose calendar a link shows: the user's own turnos, or those of a business that they run.
calendar_links = Table(
    "calendar_links",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("business_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

closures = Table(
    "closures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("staff_id", Uuid),
    Column("reason", Text),
    Column("reschedule", Text, nullable=False),
    Column("horizon_days", Integer, nullable=False),
    Column("closed_by", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("reopened_at", DateTime(timezone=True)),
    # What the plan was worth (``closure.PlanNote``); null where nobody was to be placed.
    Column("plan", JSONB(none_as_null=True)),
    Column("second_round_at", DateTime(timezone=True)),
)

# What became of each turno that a closure affects.
affected = Table(
    "affected",
    metadata,
    Column("closure_id", Uuid, primary_key=True),
    Column("appointment_id", Uuid, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("starts_at", DateTime(timezone=True)),
    Column("staff_id", Uuid),
    Column("reason", Text),
    Column("status_before", Text, nullable=False),
    Column("answered", Boolean, nullable=False),
)

# While one is open, the row of appointments with its id holds its time.
proposals = Table(
    "proposals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, nullable=False),
    Column("appointment_id", Uuid),
    Column("waiting_id", Uuid),
    Column("client_id", Uuid),
    Column("staff_id", Uuid, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

# Who waits for a time; with ``appointment_id`` somebody whom a closure left without one.
waiting = Table(
    "waiting",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("service_id", Uuid, nullable=False),
    Column("staff_id", Uuid),
    Column("first_on", Date, nullable=False),
    Column("last_on", Date, nullable=False),
    Column("appointment_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
