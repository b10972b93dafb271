"""Claiming as one function: a process that is frozen while it claims holds nothing that others wait for."""

from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the function that takes what is due."""
    # Volatile: each of its statements sees what was committed before it, so that the second counts what runs
    # under a concurrency key behind the lock. Who holds `service_clock` is waited for by a move of the clock.
    op.execute(
        """
        CREATE FUNCTION claim_due(
            at timestamptz, room integer, lease_for interval, at_version bigint, silent_for interval
        ) RETURNS SETOF timetable LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(5830120);
            IF at_version IS NOT NULL THEN
                PERFORM FROM service_clock WHERE version <= at_version FOR SHARE;
                IF NOT FOUND OR EXISTS (
                    SELECT FROM clock_users, service_clock
                    WHERE clock_users.version < service_clock.version
                        AND seen_at > clock_timestamp() - silent_for
                ) THEN
                    RETURN;
                END IF;
            END IF;
            RETURN QUERY
            WITH running AS (
                SELECT concurrency_key, count(*) AS count FROM timetable
                WHERE concurrency_key IS NOT NULL AND leased_until > clock_timestamp()
                GROUP BY concurrency_key
            ), ranked AS (
                SELECT t.id, t.priority, t.run_at, t.number, t.concurrency_key, t.concurrency,
                       row_number() OVER (
                           PARTITION BY t.concurrency_key ORDER BY t.priority DESC, t.run_at, t.number
                       ) AS place
                FROM timetable t
                WHERE t.concurrency_key IS NOT NULL AND t.state = 'waiting' AND t.run_at <= at
                    AND t.attempts < t.max_attempts
                    AND (t.leased_until IS NULL OR t.leased_until <= clock_timestamp())
                    AND (t.retry_at IS NULL OR t.retry_at <= clock_timestamp())
            ), chosen AS (
                (SELECT t.id, t.priority, t.run_at, t.number FROM timetable t
                 WHERE t.concurrency_key IS NULL AND t.state = 'waiting' AND t.run_at <= at
                    AND t.attempts < t.max_attempts
                    AND (t.leased_until IS NULL OR t.leased_until <= clock_timestamp())
                    AND (t.retry_at IS NULL OR t.retry_at <= clock_timestamp())
                 ORDER BY t.priority DESC, t.run_at, t.number LIMIT room)
                UNION ALL
                (SELECT r.id, r.priority, r.run_at, r.number
                 FROM ranked r LEFT JOIN running USING (concurrency_key)
                 WHERE r.place + coalesce(running.count, 0) <= r.concurrency)
                ORDER BY priority DESC, run_at, number LIMIT room
            )
            UPDATE timetable t SET fence = t.fence + 1, attempts = t.attempts + 1, retry_at = NULL,
                started_at = clock_timestamp(), leased_until = clock_timestamp() + lease_for
            WHERE t.id IN (SELECT chosen.id FROM chosen) AND t.state = 'waiting' AND t.run_at <= at
                AND t.attempts < t.max_attempts
                AND (t.leased_until IS NULL OR t.leased_until <= clock_timestamp())
                AND (t.retry_at IS NULL OR t.retry_at <= clock_timestamp())
            RETURNING t.*;
        END
        $$
        """
    )


def downgrade() -> None:
    """Takes the function away again."""
    op.execute("DROP FUNCTION claim_due")
