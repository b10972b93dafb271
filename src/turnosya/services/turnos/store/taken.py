"""The SQL of listing slots: what is taken, in as few rows as the engine needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from turnosya.runtime.database import Transaction
from turnosya.services.turnos.availability import Sought, Taken
from turnosya.services.turnos.store.seats import LIVE
from turnosya.services.turnos.windows import Window

# Spans that touch are one to whoever seeks a time, so the server unites them: of 18,600 turnos a month in a
# team of ten some hundred rows are left. Only seats of the sought service itself are needed one by one, and
# only if it is shared; and how many turnos each has a day, if they are shared out by that.
_TAKEN = text(
    f"""
    WITH live AS MATERIALIZED (
        SELECT staff_id, starts_on, starts_at, busy_from, busy_to, seat,
               coalesce(service_id = CAST(:shared_id AS uuid) AND service_ids IS NULL, false) AS is_shared
        FROM appointments
        WHERE staff_id = ANY(CAST(:staff_ids AS uuid[])) AND {LIVE}
          AND tstzrange(busy_from, busy_to) && tstzrange(:busy_from, :busy_to)
          AND (expires_at IS NULL OR expires_at > :now)
    )
    SELECT businesses.revision AS business_revision, coalesce(schedules.revision, 0) AS schedule_revision,
           found.*
    FROM businesses
    LEFT JOIN schedules ON schedules.business_id = businesses.id
    LEFT JOIN (
        SELECT staff_id, CAST(NULL AS timestamptz) AS starts_at, lower(span) AS busy_from,
               upper(span) AS busy_to, CAST(NULL AS integer) AS seat, CAST(NULL AS date) AS day,
               CAST(NULL AS bigint) AS turnos
        FROM (
            SELECT staff_id, unnest(range_agg(tstzrange(busy_from, busy_to))) AS span
            FROM live WHERE NOT is_shared GROUP BY staff_id
        ) AS united
        UNION ALL
        SELECT staff_id, starts_at, busy_from, busy_to, seat, NULL, NULL FROM live WHERE is_shared
        UNION ALL
        SELECT staff_id, NULL, NULL, NULL, NULL, starts_on, count(*)
        FROM live WHERE CAST(:shares_out AS boolean) GROUP BY staff_id, starts_on
    ) AS found ON true
    WHERE businesses.id = :business_id
    """  # noqa: S608 - made of a constant
)


@dataclass(frozen=True, slots=True)
class Engaged:
    """What one look for slots shows: revisions of the business, what is taken, and turnos a member a date."""

    revisions: tuple[int, int]
    taken: Sequence[Taken]
    loads: Mapping[UUID, Mapping[date, int]]


_OF_MEMBERS = text(
    f"""
    SELECT staff_id, CASE WHEN service_ids IS NULL THEN service_id END AS service_id, starts_at, busy_from,
           busy_to, seat
    FROM appointments
    WHERE staff_id = ANY(CAST(:staff_ids AS uuid[])) AND {LIVE}
      AND tstzrange(busy_from, busy_to) && tstzrange(:busy_from, :busy_to)
      AND (expires_at IS NULL OR expires_at > :now)
    """  # noqa: S608 - made of a constant
)


async def of_members(
    tx: Transaction, staff_ids: Sequence[UUID], span: Window, *, now: datetime
) -> list[Taken]:
    """Every seat that is taken of these members in a time, whatever is sought."""
    asked = {"staff_ids": list(staff_ids), "busy_from": span.start_at, "busy_to": span.end_at, "now": now}
    return [
        Taken(row.staff_id, row.service_id, row.starts_at, Window(row.busy_from, row.busy_to), row.seat)
        for row in await tx.execute(_OF_MEMBERS, asked)
    ]


async def between(
    tx: Transaction,
    sought: Sought,
    *,
    business_id: UUID,
    staff_ids: Sequence[UUID],
    span: Window,
    now: datetime,
) -> Engaged | None:
    """All that is taken of these members in a time; None for a business that turnos does not know."""
    rows = await tx.execute(
        _TAKEN,
        {
            "business_id": business_id,
            "staff_ids": list(staff_ids),
            "shared_id": sought.service_id if sought.capacity > 1 else None,
            "shares_out": len(staff_ids) > 1,
            "busy_from": span.start_at,
            "busy_to": span.end_at,
            "now": now,
        },
    )
    found = rows.all()
    if not found:
        return None
    taken: list[Taken] = []
    loads: defaultdict[UUID, dict[date, int]] = defaultdict(dict)
    for row in found:
        if row.day is not None:
            loads[row.staff_id][row.day] = row.turnos
        elif row.seat is not None:
            busy = Window(row.busy_from, row.busy_to)
            taken.append(Taken(row.staff_id, sought.service_id, row.starts_at, busy, row.seat))
        elif row.staff_id is not None:
            taken.append(Taken(row.staff_id, None, row.busy_from, Window(row.busy_from, row.busy_to)))
    return Engaged((found[0].business_revision, found[0].schedule_revision), taken, loads)
