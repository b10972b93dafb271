"""Businesses as turnos knows them, schedules, overrides and appointments that are never given twice."""

from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

_LIVE = "status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT overbooked"

_SCRIPT = f"""
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE businesses (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    revision integer NOT NULL,
    state jsonb NOT NULL,
    previous jsonb,
    applied_at timestamptz
);
CREATE INDEX businesses_unconfirmed ON businesses (applied_at) WHERE applied_at IS NOT NULL;

CREATE TABLE schedules (
    business_id uuid PRIMARY KEY,
    revision integer NOT NULL,
    weekly jsonb NOT NULL,
    slot_step_minutes integer NOT NULL CHECK (slot_step_minutes > 0),
    min_notice_minutes integer NOT NULL CHECK (min_notice_minutes >= 0),
    max_days_ahead integer NOT NULL CHECK (max_days_ahead >= 0),
    cancellation_notice_minutes integer NOT NULL CHECK (cancellation_notice_minutes >= 0),
    observe_holidays boolean NOT NULL,
    confirmation text NOT NULL CHECK (confirmation IN ('automatic', 'manual')),
    reschedule text NOT NULL CHECK (reschedule IN ('propose', 'automatic', 'none'))
);

CREATE TABLE overrides (
    id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    date date NOT NULL,
    hours jsonb NOT NULL,
    staff_id uuid,
    note text,
    created_at timestamptz NOT NULL
);
CREATE INDEX overrides_of_business ON overrides (business_id, date, id);

CREATE TABLE appointments (
    id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    client_id uuid,
    client_name text,
    client_phone text,
    service_id uuid NOT NULL,
    service_ids uuid[],
    staff_id uuid NOT NULL,
    wants_any boolean NOT NULL,
    status text NOT NULL CHECK (
        status IN ('held', 'pending', 'confirmed', 'proposed', 'completed', 'no_show', 'cancelled')
    ),
    session_id uuid NOT NULL,
    seat integer NOT NULL CHECK (seat >= 1),
    capacity integer NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    busy_from timestamptz NOT NULL CHECK (busy_from <= starts_at),
    busy_to timestamptz NOT NULL CHECK (busy_to >= ends_at),
    starts_on date NOT NULL,
    overbooked boolean NOT NULL,
    price_amount bigint,
    price_currency text,
    cancellation_notice_minutes integer NOT NULL,
    note text,
    expires_at timestamptz,
    for_appointment_id uuid,
    hold_id uuid,
    created_at timestamptz NOT NULL,
    version integer NOT NULL,
    history jsonb NOT NULL,
    CONSTRAINT appointments_seat_exists CHECK (overbooked OR seat <= capacity),
    CONSTRAINT appointments_lapse CHECK (status NOT IN ('held', 'pending') OR expires_at IS NOT NULL),
    CONSTRAINT appointments_have_a_client CHECK (client_id IS NOT NULL OR client_name IS NOT NULL)
);

-- Two sessions of one member never intersect (rule R9).
ALTER TABLE appointments ADD CONSTRAINT appointments_staff_once EXCLUDE USING gist (
    staff_id WITH =, session_id WITH <>, tstzrange(busy_from, busy_to) WITH &&
) WHERE ({_LIVE}) DEFERRABLE INITIALLY IMMEDIATE;

-- No seat of a session is given twice (rule R9).
ALTER TABLE appointments ADD CONSTRAINT appointments_seat_once EXCLUDE (
    session_id WITH =, seat WITH =
) WHERE ({_LIVE}) DEFERRABLE INITIALLY IMMEDIATE;

-- A client has no two turnos at once in one business, an offer for one of them excepted (rule R14).
ALTER TABLE appointments ADD CONSTRAINT appointments_client_once EXCLUDE USING gist (
    business_id WITH =, client_id WITH =, tstzrange(starts_at, ends_at) WITH &&
) WHERE ({_LIVE} AND for_appointment_id IS NULL) DEFERRABLE INITIALLY IMMEDIATE;

CREATE INDEX appointments_of_business ON appointments (business_id, starts_at, id);
CREATE INDEX appointments_of_client ON appointments (client_id, starts_at, id) WHERE client_id IS NOT NULL;
CREATE INDEX appointments_held ON appointments (client_id, business_id) WHERE status = 'held';
"""


def upgrade() -> None:
    """Makes the tables and the constraints that no seat outlives."""
    for statement in _SCRIPT.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Drops the tables."""
    for table in ("appointments", "overrides", "schedules", "businesses"):
        op.execute(f"DROP TABLE {table}")
