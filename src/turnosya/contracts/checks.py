"""What checks answers."""

from uuid import UUID

from turnosya.contracts.users import Held
from turnosya.runtime.messages import Rpc


class GetHeld(Rpc[Held]):
    """What does checks hold about this person? The audit of their account."""

    user_id: UUID
