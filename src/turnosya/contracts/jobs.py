"""What jobs answers and tells: requests to be made later, and the clock."""

from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from turnosya.runtime.messages import Event, Message, Nothing, Rpc


class Job(Message):
    """A request to be made at an instant of the service clock. The same key replaces the earlier one."""

    key: str
    request: str
    """Wire name of the request, ``turnos.ExpirePending``."""
    body: dict[str, Any]
    run_at: datetime
    max_attempts: int = 10

    @classmethod
    def of(cls, request: Rpc[Any], *, key: str, run_at: datetime) -> Self:
        """The job that makes ``request`` at ``run_at``."""
        return cls(key=key, request=request.wire_name, body=request.model_dump(mode="json"), run_at=run_at)


class Schedule(Rpc[Nothing]):
    """Make this request later; answered when the job is stored."""

    job: Job


class CancelScheduled(Rpc[Nothing]):
    """Forget the job with this key; nothing if there is none or it has run."""

    key: str


class ScheduleRequested(Event):
    """The same as ``Schedule``, told from inside a transaction."""

    aggregate: ClassVar[str] = "job.key"

    job: Job


class ScheduleCancelled(Event):
    """The same as ``CancelScheduled``, told from inside a transaction."""

    aggregate: ClassVar[str] = "key"

    key: str


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
