"""What notification answers and tells."""

from uuid import UUID

from turnosya.contracts.users import Forgotten, Held
from turnosya.runtime.messages import Rpc


class GetHeld(Rpc[Held]):
    """What does notification hold about this person? What they were told, and when."""

    user_id: UUID


class PersonForgotten(Forgotten):
    """An erased person is gone from notification: what they were told, and their name in what others were."""
