"""The rows on which a booking depends as one function, and whether they are still those that were seen."""

from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the two functions of the booking path."""
    # Inlined into the statement that calls it, so that it uses the indexes of appointments.
    op.execute(
        """
        CREATE FUNCTION seats_about(
            about_business uuid, members uuid[], around tstzrange, client uuid, span tstzrange
        ) RETURNS TABLE (
            id uuid, staff_id uuid, client_id uuid, service_id uuid, service_ids uuid[], status text,
            starts_at timestamptz, ends_at timestamptz, busy_from timestamptz, busy_to timestamptz,
            seat integer, expires_at timestamptz, for_appointment_id uuid, written_by xid
        ) LANGUAGE sql STABLE AS $$
            SELECT a.id, a.staff_id, a.client_id, a.service_id, a.service_ids, a.status, a.starts_at,
                a.ends_at, a.busy_from, a.busy_to, a.seat, a.expires_at, a.for_appointment_id, a.xmin
            FROM appointments a
            WHERE a.staff_id = ANY(members) AND a.status IN ('held', 'pending', 'confirmed', 'proposed')
                AND NOT a.overbooked AND tstzrange(a.busy_from, a.busy_to) && around
            UNION
            SELECT a.id, a.staff_id, a.client_id, a.service_id, a.service_ids, a.status, a.starts_at,
                a.ends_at, a.busy_from, a.busy_to, a.seat, a.expires_at, a.for_appointment_id, a.xmin
            FROM appointments a
            WHERE a.business_id = about_business AND a.client_id = client
                AND a.status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT a.overbooked
                AND a.for_appointment_id IS NULL AND tstzrange(a.starts_at, a.ends_at) && span
            UNION
            SELECT a.id, a.staff_id, a.client_id, a.service_id, a.service_ids, a.status, a.starts_at,
                a.ends_at, a.busy_from, a.busy_to, a.seat, a.expires_at, a.for_appointment_id, a.xmin
            FROM appointments a
            WHERE a.business_id = about_business AND a.client_id = client AND a.status = 'held'
                AND a.for_appointment_id IS NULL
        $$
        """
    )
    # Volatile: each of its statements sees what was committed before it, so what follows the locks is what
    # they protect. It waits for the locks in the order in which they are given.
    op.execute(
        """
        CREATE FUNCTION is_still_so(
            locks bigint[], about_business uuid, members uuid[], around tstzrange, client uuid,
            span tstzrange, answer_key bytea, business_revision integer, schedule_revision integer,
            seen text[]
        ) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(key) FROM unnest(locks) AS key;
            RETURN seen = (
                SELECT coalesce(array_agg(s.id || ' ' || s.written_by ORDER BY s.id), '{}')
                FROM seats_about(about_business, members, around, client, span) s
            ) AND EXISTS (
                SELECT FROM businesses b LEFT JOIN schedules s ON s.business_id = b.id
                WHERE b.id = about_business AND b.revision = business_revision
                    AND coalesce(s.revision, 0) = schedule_revision
            ) AND NOT EXISTS (
                SELECT FROM kept_answers
                WHERE key = answer_key AND kept_at > clock_timestamp() - interval '24 hours'
            );
        END
        $$
        """
    )


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP FUNCTION is_still_so")
    op.execute("DROP FUNCTION seats_about")
