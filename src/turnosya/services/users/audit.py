"""What the audit is told of accounts: ids and words of ours, never anything a person typed."""

from __future__ import annotations

from uuid import UUID

from turnosya.contracts.users import SecurityNoted
from turnosya.runtime.clock import real_now


def noted(
    kind: str,
    subject_id: UUID | None,
    *,
    actor_id: UUID | None = None,
    session_id: UUID | None = None,
    reason: str | None = None,
) -> SecurityNoted:
    """A fact as of now; without ``actor_id`` nobody is known to have done it."""
    return SecurityNoted(
        kind=kind,
        actor_id=actor_id,
        subject_id=subject_id,
        session_id=session_id,
        reason=reason,
        at=real_now(),
    )
