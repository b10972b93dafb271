"""HTTP of jobs: the service clock, in development only."""

from typing import Annotated

from fastapi import Depends
from pydantic import Field

from turnosya.contracts.jobs import ClockState
from turnosya.runtime.clock import real_now
from turnosya.runtime.field_errors import words_for
from turnosya.runtime.fields import Closed, Flag, Instant, Integer, Resource
from turnosya.runtime.http import context_of, router
from turnosya.runtime.messages import FieldError, Invalid, NotFound
from turnosya.services.jobs import clock
from turnosya.services.jobs.context import Jobs


class DevClock(Resource):
    """The instant by which turnos, jobs and notification decide, and whether somebody chose it."""

    now: Instant
    set: Flag


class SetClock(Closed):
    """Exactly one of both; minutes may be negative."""

    now: Instant | None = None
    advance_minutes: Annotated[Integer, Field(ge=-(10**10), le=10**10)] | None = None


def _development_only(jobs: Annotated[Jobs, Depends(context_of(Jobs))]) -> Jobs:
    if not jobs.may_set_clock:
        raise NotFound
    return jobs


Development = Annotated[Jobs, Depends(_development_only)]

routes = router("/v1/dev/clock", tags=["development"])


@routes.get("")
async def read_clock(jobs: Development) -> DevClock:
    """What the service clock shows. Development only."""
    return _shown(await clock.state(jobs))


@routes.put("")
async def set_clock(jobs: Development, body: SetClock) -> DevClock:
    """Makes the clock stand at an instant. Answers when all follow it and what fell due was started."""
    if body.now is not None and body.advance_minutes is None:
        return _shown(await clock.set_to(jobs, body.now))
    if body.advance_minutes is not None and body.now is None:
        return _shown(await clock.advance(jobs, body.advance_minutes))
    words = words_for("exactly_one", names="now, advance_minutes")
    raise Invalid(errors=[FieldError.of(name, "exactly_one", words) for name in ("now", "advance_minutes")])


@routes.delete("", status_code=204)
async def release_clock(jobs: Development) -> None:
    """Returns the clock to real time."""
    await clock.release(jobs)


def _shown(state: ClockState) -> DevClock:
    return DevClock(now=state.set_to or real_now(), set=state.set_to is not None)
