"""What clients were told during a storm: the ledger that the audit compares the system with."""

from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from uuid import UUID


@dataclass(slots=True)
class Try:
    """One try of one call."""

    at_s: float
    """Seconds since the storm began."""
    kind: str
    took_s: float
    status: int | None
    """None when there was no answer."""

    @property
    def ended_s(self) -> float:
        """Seconds since the storm began."""
        return self.at_s + self.took_s

    @property
    def is_answered(self) -> bool:
        """Whether it was the product that answered, be it with a refusal."""
        return self.status is not None and self.status < 500


@dataclass(slots=True)
class Fault:
    """Somebody was killed."""

    at_s: float
    what: str


@dataclass(slots=True)
class KnownTurno:
    """A turno as its client knows it from the answers."""

    id: UUID
    client_id: UUID
    owner_id: UUID
    starts_at: datetime
    steps: list[str]
    """What was acknowledged, as the turno's own history calls it."""
    is_unsure: bool = False
    """A later change was never answered, so it may or may not have happened."""


@dataclass(slots=True)
class Ledger:
    """All that was acknowledged, and all that was tried."""

    began: float = field(default_factory=monotonic)
    turnos: dict[UUID, KnownTurno] = field(default_factory=dict[UUID, KnownTurno])
    unanswered_bookings: list[tuple[UUID, datetime]] = field(default_factory=list[tuple[UUID, datetime]])
    """Client and start of what was never answered within the patience of a client."""
    given_up: list[str] = field(default_factory=list[str])
    """What was not answered within the patience of a client, and when."""
    messages: dict[tuple[str, UUID, str], int] = field(default_factory=dict[tuple[str, UUID, str], int])
    """The number of each acknowledged message by conversation, sender and the sender's own id of it."""
    log_ins: dict[UUID, int] = field(default_factory=dict[UUID, int])
    """Sessions by person, the first one included."""
    tries: list[Try] = field(default_factory=list[Try])
    faults: list[Fault] = field(default_factory=list[Fault])

    def now_s(self) -> float:
        """Seconds since the storm began."""
        return monotonic() - self.began

    def failed_after(self, fault: Fault) -> list[Try]:
        """Tries that ended without an answer between a fault and the next one."""
        until = min((one.at_s for one in self.faults if one.at_s > fault.at_s), default=float("inf"))
        return [one for one in self.tries if not one.is_answered and fault.at_s <= one.ended_s < until]
