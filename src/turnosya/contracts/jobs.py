"""What jobs answers and tells: requests to be made later or again, and the clock."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field

from turnosya.runtime.messages import Event, Kind, Message, Nothing, Rpc, Say, ServiceError

# An older process that gets a job without an instant begins it at once.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
TEN_YEARS_S = 10 * 366 * 86_400.0
Seconds = Annotated[float, Field(gt=0, le=TEN_YEARS_S, allow_inf_nan=False)]


class JobExists(ServiceError):
    """A job with this key waits already, and was not to be replaced."""

    kind = Kind.CONFLICT
    says = Say(
        "Ya hay un trabajo con esa clave.",
        "There is a job with that key already.",
        "Já existe um trabalho com essa chave.",
    )


class Recurrence(Message):
    """When a job comes again: exactly one of ``cron`` and ``every_s``."""

    cron: str | None = None
    """Five fields, wall time of ``timezone``. At a fixed hour: once a local day, whatever clocks do there."""
    every_s: Annotated[float, Field(ge=1, le=TEN_YEARS_S, allow_inf_nan=False)] | None = None
    """Elapsed seconds between starts."""
    timezone: str = "UTC"
    """An IANA name."""
    missed: Literal["skip", "run_once", "catch_up"] = "run_once"
    """What becomes of times at which nothing could run: left out, made up for once, each made (of 7 days)."""
    grace_s: Seconds = 60.0
    """Later than this is missed: ``ScheduleMissed`` is told, and ``skip`` leaves it out."""


class Job(Message):
    """A request to be made later, once or again: at ``run_at``, ``in_s`` from now, or as ``recurs`` says.

    With ``recurs`` alone it first comes at the next time of it; with neither of the three, at once.
    """

    key: str
    request: str
    """Wire name of the request, ``turnos.ExpirePending``."""
    body: dict[str, Any]
    run_at: datetime = AT_ONCE
    """An instant of the service clock; one that is past is due at once."""
    in_s: Annotated[float, Field(ge=0, le=TEN_YEARS_S, allow_inf_nan=False)] | None = None
    recurs: Recurrence | None = None
    if_waiting: Literal["replace", "keep", "refuse"] = "replace"
    """What the same key means while its job waits or runs; one that has ended is always replaced."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Of those that are due the highest begins first, then the earliest."""
    max_attempts: int = 10
    backoff_s: Annotated[Sequence[Seconds], Field(max_length=50)] = ()
    """Waits between tries, up to a fifth longer by chance; the last one repeats. Empty: the usual ones."""
    timeout_s: Annotated[float, Field(gt=0, le=900, allow_inf_nan=False)] = 20.0
    """How long one try may take; then it counts as failed."""
    concurrency_key: str | None = None
    """Of all jobs with this word no more than ``concurrency`` run at once, in all processes together."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 1

    @classmethod
    def of(
        cls,
        request: Rpc[Any],
        *,
        key: str,
        run_at: datetime = AT_ONCE,
        in_s: float | None = None,
        recurs: Recurrence | None = None,
    ) -> Self:
        """The job that makes ``request``; what else can be said of it by ``model_copy``."""
        body = request.model_dump(mode="json")
        return cls(key=key, request=request.wire_name, body=body, run_at=run_at, in_s=in_s, recurs=recurs)


class Schedule(Rpc[Nothing]):
    """Make this request later; answered when the job is stored."""

    errors = (JobExists,)

    job: Job


class CancelScheduled(Rpc[Nothing]):
    """Forget the job with this key; nothing if there is none or it has run."""

    key: str


class Declared(Message):
    """A recurring job that a service says of itself; a new ``revision`` is run at once."""

    job: Job
    revision: str = ""


class DeclareSchedules(Rpc[Nothing]):
    """All that a service does again and again. What it declared before and does not now is cancelled."""

    service: str
    schedules: list[Declared]


class ForgetEnded(Rpc[Nothing]):
    """The job that deletes what ended long ago."""


class ScheduleRequested(Event):
    """The same as ``Schedule``, told from inside a transaction."""

    aggregate: ClassVar[str] = "job.key"

    job: Job


class ScheduleCancelled(Event):
    """The same as ``CancelScheduled``, told from inside a transaction."""

    aggregate: ClassVar[str] = "key"

    key: str


class ScheduleMissed(Event):
    """A recurring job was not begun at its time, nor within its grace: an alarm."""

    aggregate: ClassVar[str] = "key"

    key: str
    request: str
    run_at: datetime


class ClockState(Message):
    """The service clock: real time, or an instant at which it stands (development only)."""

    version: int
    set_to: datetime | None


class UseClock(Rpc[ClockState]):
    """A process says every second that it lives and which version of the clock it uses."""

    process_id: UUID
    version: int


class ClockMoved(Event):
    """The clock was set or released. Every copy of turnos, jobs and notification hears it."""

    state: ClockState
