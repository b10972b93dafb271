"""What checks answers."""

from uuid import UUID

from turnosya.contracts.users import Held
from turnosya.runtime.messages import Nothing, Rpc


class GetHeld(Rpc[Held]):
    """What does checks hold about this person? The audit of their account."""

    user_id: UUID


class ForgetAudit(Rpc[Nothing]):
    """Delete what is older than the audit is kept."""
