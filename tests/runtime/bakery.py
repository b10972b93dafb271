"""Messages of the runtime's own tests: a bakery, which no service knows."""

from datetime import datetime
from typing import ClassVar

from turnosya.runtime.messages import Event, Kind, Message, Nothing, Rpc, Say, Secret, ServiceError


class OvenHot(ServiceError):
    """Nobody can take the bread out yet."""

    kind = Kind.CONFLICT
    says = Say("El horno está caliente.", "The oven is hot.", "O forno está quente.")
    until: datetime
    loaves: int = 0


class NeverDeclared(ServiceError):
    """A refusal that no request of these declares."""


class Bread(Message):
    loaves: int
    baker: str = ""


class Bake(Rpc[Bread]):
    errors = (OvenHot,)

    loaves: int = 1
    how: str = ""


class Deliver(Rpc[Nothing]):
    """Nobody answers this one."""


class Baked(Event):
    aggregate: ClassVar[str] = "oven"

    oven: str
    number: int = 0


class KeySent(Event):
    aggregate: ClassVar[str] = "to"

    to: str
    code: Secret


class ShopOpened(Event):
    """Tells every copy."""

    name: str
