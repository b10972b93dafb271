"""Closures, what becomes of the turnos they affect, offers of other times, and who waits for one."""

from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None

_SCRIPT = """
CREATE TABLE closures (
    id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    staff_id uuid,
    reason text,
    reschedule text NOT NULL CHECK (reschedule IN ('none', 'propose', 'automatic')),
    horizon_days integer NOT NULL,
    closed_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    reopened_at timestamptz
);
CREATE INDEX closures_of_business ON closures (business_id, starts_at) WHERE reopened_at IS NULL;

CREATE TABLE affected (
    closure_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('moved', 'proposed', 'waiting', 'cancelled', 'kept')),
    starts_at timestamptz,
    staff_id uuid,
    reason text,
    status_before text NOT NULL,
    answered boolean NOT NULL DEFAULT false,
    PRIMARY KEY (closure_id, appointment_id)
);
CREATE INDEX affected_open ON affected (appointment_id) WHERE outcome IN ('proposed', 'waiting');
CREATE INDEX affected_moved ON affected (appointment_id) WHERE outcome = 'moved';

-- The id of a proposal is that of the held row of appointments that keeps its time while it is open.
CREATE TABLE proposals (
    id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    appointment_id uuid,
    waiting_id uuid,
    client_id uuid,
    staff_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'accepted', 'declined', 'expired', 'withdrawn')),
    created_at timestamptz NOT NULL,
    CONSTRAINT proposals_are_for_something CHECK (appointment_id IS NOT NULL OR waiting_id IS NOT NULL)
);
CREATE INDEX proposals_of_client ON proposals (client_id, id);
CREATE INDEX proposals_of_waiting ON proposals (waiting_id, starts_at) WHERE waiting_id IS NOT NULL;
-- A turno is offered one time at once, and so is somebody who waits.
CREATE UNIQUE INDEX proposals_one_open ON proposals (appointment_id) WHERE status = 'open';
CREATE UNIQUE INDEX proposals_one_waiting ON proposals (waiting_id) WHERE status = 'open';

CREATE TABLE waiting (
    id uuid PRIMARY KEY,
    business_id uuid NOT NULL,
    client_id uuid,
    service_id uuid NOT NULL,
    staff_id uuid,
    first_on date NOT NULL,
    last_on date NOT NULL CHECK (last_on >= first_on),
    appointment_id uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX waiting_of_business ON waiting (business_id, created_at, id);
CREATE INDEX waiting_of_client ON waiting (client_id, id);
CREATE UNIQUE INDEX waiting_once ON waiting (appointment_id) WHERE appointment_id IS NOT NULL;
"""


def upgrade() -> None:
    """Makes the tables."""
    for statement in _SCRIPT.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    for table in ("waiting", "proposals", "affected", "closures"):
        op.execute(f"DROP TABLE {table}")
