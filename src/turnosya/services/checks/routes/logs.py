"""HTTP of the central log, for admins."""

import json
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from turnosya.contracts.checks import LogLine
from turnosya.runtime.clock import real_now
from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import Admin, context_of, router
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.pages import Listed, Paged, after_instant
from turnosya.runtime.problems import refuses
from turnosya.services.checks import logs
from turnosya.services.checks.context import Checks
from turnosya.services.checks.store.logs import Lines

Level = Literal["debug", "info", "warning", "error", "critical"]
Name = Annotated[str | None, Query(max_length=50, pattern=r"^[a-z_]+$")]
Here = Annotated[Checks, Depends(context_of(Checks))]
routes = router("/v1/checks/logs", tags=["checks"])
# What nobody has set a beginning for: longer ago is asked for.
_LATELY = timedelta(days=1)


class Logged(Resource):
    """One line of a process's log; phones, addresses, codes and tokens are hidden in it."""

    id: UUID
    at: Instant
    level: str
    service: str
    event: str
    request_id: str | None
    fields: dict[str, Any]

    @classmethod
    def of(cls, line: LogLine) -> Self:
        """A line as it is shown."""
        return cls.model_validate({**line.model_dump(), "fields": json.loads(line.fields)})


@routes.get("", responses=refuses(Forbidden))
async def read_logs(
    checks: Here,
    _admin: Admin,
    page: Paged,
    *,
    level: Level | None = None,
    service: Name = None,
    request_id: Annotated[str | None, Query(max_length=128, pattern=r"^[A-Za-z0-9._-]+$")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] = None,
    since: Instant | None = None,
    until: Instant | None = None,
) -> Listed[Logged]:
    """What was logged, the latest first; of the last day unless ``since`` says more (admin)."""
    now = real_now()
    sought = Lines(
        since=since or min(now, until or now) - _LATELY,
        until=until or now + _LATELY,
        level=level,
        service=service,
        request_id=request_id,
        words=q,
    )
    found = await logs.find(checks, sought, before=after_instant(page), limit=page.read)
    return page.of([Logged.of(one) for one in found], sort_values=lambda one: [one.at.isoformat(), one.id])


@routes.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        **refuses(Forbidden),
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Lines"},
    },
)
async def stream_logs(
    checks: Here, _admin: Admin, *, level: Level | None = None, service: Name = None
) -> StreamingResponse:
    """What is logged, as it comes, as server-sent events; ends after 5 minutes and is opened anew (admin)."""
    return StreamingResponse(
        logs.coming(checks, level=level, service=service),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
