"""What checks answers."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from turnosya.contracts.users import Held
from turnosya.runtime.messages import Event, Message, Nothing, Rpc


class GetHeld(Rpc[Held]):
    """What does checks hold about this person? The audit of their account."""

    user_id: UUID
    after: str | None = None
    """The ``more_after`` of the answer before."""


class ForgetAudit(Rpc[Nothing]):
    """Delete what is older than the audit, alerts and the days of the status page are kept."""


class TendLogs(Rpc[Nothing]):
    """Make room for the coming days of the central log, and drop the days that are over."""


class LogLine(Message):
    """One line of a process's log, without what names a person; ``fields`` is a JSON object as text."""

    id: UUID
    at: datetime
    level: str
    service: str
    event: str
    request_id: str | None
    fields: str


class KeepLogs(Rpc[Nothing]):
    """Store these lines; one that is stored already stays as it is, so that a batch may be repeated."""

    lines: list[LogLine]


class ProcessLives(Event):
    """A process says every 3 s that it lives and what it lacks; the last time, that it ends."""

    process_id: UUID
    services: list[str]
    address: str
    """Where its API listens, host and port: the next process there is this one, started again."""
    pid: int
    started_at: datetime
    away: list[str]
    """What its services need and did not find: ``turnos database``."""
    ends: bool = False


class AlertRaised(Event):
    """Something that an admin must know: told once while it lasts, and in ten minutes."""

    aggregate: ClassVar[str] = "subject"

    alert_id: UUID
    kind: str
    """``process_dead``, ``service_down``, ``queue_unheard``, ``dependency_away`` or ``schedule_missed``."""
    subject: str
    """A process and its address, a service, a queue, a service and what it lacks, or the key of a job."""
    since: datetime


class AlertCleared(Event):
    """It is over."""

    aggregate: ClassVar[str] = "subject"

    alert_id: UUID
    kind: str
    subject: str
    since: datetime
