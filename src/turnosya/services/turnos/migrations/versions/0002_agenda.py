"""Series, wall time that outlives a change of the zone's rules, preferences and calendar links."""

from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None

_SCRIPT = """
ALTER TABLE appointments
    ADD COLUMN series_id uuid,
    ADD COLUMN shifted_by_dst boolean NOT NULL DEFAULT false,
    ADD COLUMN utc_offset_s integer NOT NULL DEFAULT 0;

-- Booked by the rules that this server knows too; a zone that it does not know is mended by the job.
UPDATE appointments SET utc_offset_s = extract(
    epoch FROM (starts_at AT TIME ZONE (businesses.state ->> 'timezone')) - (starts_at AT TIME ZONE 'UTC')
)
FROM businesses JOIN pg_timezone_names AS known ON known.name = businesses.state ->> 'timezone'
WHERE businesses.id = appointments.business_id;

-- What is over and that nobody has said anything of yet: it completes itself.
CREATE INDEX appointments_confirmed ON appointments (ends_at) WHERE status = 'confirmed';

CREATE TABLE preferences (
    client_id uuid PRIMARY KEY,
    dayparts text[],
    weekdays integer[],
    staff text NOT NULL CHECK (staff IN ('same', 'any'))
);

CREATE TABLE calendar_links (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    business_id uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX calendar_links_of_user ON calendar_links (user_id, id);
"""


def upgrade() -> None:
    """Adds columns and tables; no row is rewritten but to learn its offset."""
    for statement in _SCRIPT.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Takes them away."""
    op.execute("DROP TABLE calendar_links")
    op.execute("DROP TABLE preferences")
    op.execute("DROP INDEX appointments_confirmed")
    op.execute(
        "ALTER TABLE appointments DROP COLUMN series_id, DROP COLUMN shifted_by_dst, DROP COLUMN utc_offset_s"
    )
