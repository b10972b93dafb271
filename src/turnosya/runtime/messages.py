"""What services say to each other: requests with a typed answer, events, and declared errors.

A contract (``turnosya.contracts``) is made of these classes only. The wire name of a message is its
file and its class, ``turnos.AppointmentBooked``; it is the queue, the log field, the metric label and
the trace name.
"""

import re
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, Self, dataclass_transform

from pydantic import BaseModel, ConfigDict, create_model
from typing_extensions import TypeVar

A = TypeVar("A", bound="Message")
C = TypeVar("C")


class Kind(StrEnum):
    """What sort of refusal an error is; the edge makes an HTTP status of it in one place."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class Say(NamedTuple):
    """One text in the three languages of the product."""

    es: str
    en: str
    pt: str


class SecretMark:
    """Marks a field that is encrypted in every store on the way and never logged."""


SECRET = SecretMark()
Secret = Annotated[str, SECRET]


class Message(BaseModel):
    """A value that crosses between services. Unknown fields are ignored, so that senders may be newer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    wire_name: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls.wire_name = wire_name_of(cls)

    @classmethod
    def secret_fields(cls) -> tuple[str, ...]:
        """Names of the fields that carry a code or a password."""
        return tuple(name for name, field in cls.model_fields.items() if SECRET in field.metadata)


def wire_name_of(kind: type) -> str:
    """``turnos.SlotTaken`` for the class ``SlotTaken`` of any module that ends in ``turnos``."""
    return f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"


@dataclass_transform(kw_only_default=True)
class ServiceError(Exception):
    """An expected refusal. Annotated fields travel with it and appear in the problem document.

    ``class SlotTaken(ServiceError): kind = Kind.CONFLICT; says = Say(…); reason: str`` is raised as
    ``SlotTaken(reason="held")``. ``retry_after_s`` becomes the ``Retry-After`` header.
    """

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = ""
    says: ClassVar[Say] = Say("No se pudo hacer.", "It could not be done.", "Não foi possível.")
    wire_name: ClassVar[str] = ""
    fields: ClassVar[type[BaseModel]] = BaseModel

    def __init_subclass__(cls) -> None:
        cls.wire_name = wire_name_of(cls)
        if "code" not in cls.__dict__:
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        hints = {
            name: hint
            for name, hint in typing.get_type_hints(cls, include_extras=True).items()
            if typing.get_origin(hint) is not ClassVar
        }
        members: dict[str, Any] = {name: (hint, getattr(cls, name, ...)) for name, hint in hints.items()}
        cls.fields = create_model(f"{cls.__name__}Fields", **members)

    def __init__(self, **values: object) -> None:
        checked = self.fields(**values)
        super().__init__(self.code)
        for name in self.fields.model_fields:
            setattr(self, name, getattr(checked, name))

    def members(self) -> dict[str, Any]:
        """The annotated fields as JSON values, None left out."""
        values = self.fields.model_construct(
            **{name: getattr(self, name) for name in self.fields.model_fields}
        )
        return values.model_dump(mode="json", exclude_none=True)

    def __str__(self) -> str:
        return f"{self.code} {self.members()}" if self.fields.model_fields else self.code


class FieldError(BaseModel):
    """One wrong field of a request: a dotted path, a stable code and a sentence in each language."""

    field: str
    code: str
    message: str
    says: Say | None = None

    @classmethod
    def of(cls, field: str, code: str, says: Say) -> Self:
        """With its words; ``message`` is what a process reads that does not know of languages here."""
        return cls(field=field, code=code, message=says.en, says=says)


class Unavailable(ServiceError):
    """The answer could not be had: nobody listens, too late, or an error that was not declared."""

    kind = Kind.UNAVAILABLE
    code = "service_unavailable"
    says = Say(
        "El servicio no está disponible en este momento. Probá de nuevo en unos segundos.",
        "The service is not available right now. Try again in a few seconds.",
        "O serviço não está disponível agora. Tente de novo em alguns segundos.",
    )
    retry_after_s: int = 2


class TimedOut(Unavailable):
    """Nobody answered before the deadline."""

    code = "service_timeout"
    retry_after_s: int = 2


class Invalid(ServiceError):
    """A request that is well formed and wrong; names each wrong field."""

    kind = Kind.INVALID
    code = "validation_failed"
    says = Say("Hay datos que no son válidos.", "Some values are not valid.", "Há dados inválidos.")
    errors: list[FieldError]


class NotFound(ServiceError):
    """It does not exist, or the caller may not see it."""

    kind = Kind.NOT_FOUND
    code = "not_found"
    says = Say("No se encontró.", "Not found.", "Não encontrado.")


class Forbidden(ServiceError):
    """The caller may see it but not do this."""

    kind = Kind.FORBIDDEN
    code = "forbidden"
    says = Say("No tenés permiso para hacer esto.", "You may not do this.", "Você não pode fazer isso.")


class Conflict(ServiceError):
    """It contradicts the present state."""

    kind = Kind.CONFLICT
    code = "conflict"
    says = Say(
        "No es posible en el estado actual.",
        "Not possible in the present state.",
        "Não é possível no estado atual.",
    )


def invalid(field: str, code: str, says: Say) -> Invalid:
    """A refusal of one field in words of its own; those that many need are ``runtime.field_errors``'."""
    return Invalid(errors=[FieldError.of(field, code, says)])


COMMON_ERRORS: tuple[type[ServiceError], ...] = (
    Unavailable,
    TimedOut,
    Invalid,
    NotFound,
    Forbidden,
    Conflict,
)


class Nothing(Message):
    """The answer of a request that only has to be done."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[C]):
    """A request and who answers it."""

    request: "type[Rpc[Any]]"
    handler: Callable[[C, Any], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Hearing(Generic[C]):
    """An event and who hears it."""

    event: "type[Event]"
    handler: Callable[[C, Any], Awaitable[None]]
    every_copy: bool
    lane: str

    @property
    def hearer(self) -> str:
        """The name under which this hearer's inbox rows are kept: its module and function."""
        module = self.handler.__module__.removeprefix("turnosya.services.")
        return f"{module}.{self.handler.__qualname__}"


class Rpc(Message, Generic[A]):
    """A request to the service whose contract file it stands in; ``A`` is its answer.

    At most once: a request that changes something carries a key and is safe to repeat.
    """

    errors: ClassVar[tuple[type[ServiceError], ...]] = ()
    answer_type: ClassVar[type[Message]] = Nothing

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls.wire_name = wire_name_of(cls)
        for base in cls.__mro__:
            metadata: dict[str, Any] = getattr(base, "__pydantic_generic_metadata__", {})
            if metadata.get("origin") is Rpc:
                cls.answer_type = metadata["args"][0]
                return

    @classmethod
    def answered_by(cls, handler: Callable[[C, Self], Awaitable[A]]) -> Answer[C]:
        """Declares, in a ``service.py``, which function answers."""
        return Answer(cls, handler)


class Event(Message):
    """A fact, delivered at least once to every service that hears it, in order per aggregate."""

    aggregate: ClassVar[str] = ""
    """The field, dotted where nested, whose value orders the events of one thing among themselves."""

    @classmethod
    def heard_by(
        cls, handler: Callable[[C, Self], Awaitable[None]], *, every_copy: bool = False, lane: str = ""
    ) -> Hearing[C]:
        """Declares, in a ``service.py``, which function hears it.

        ``every_copy`` reaches every process, best effort; a ``lane`` has a queue of its own, so that
        what is urgent does not wait behind what is not.
        """
        return Hearing(cls, handler, every_copy, lane)

    def aggregate_id(self) -> str:
        """The value that orders this event among its like; empty if nothing does."""
        value: Any = self
        for part in self.aggregate.split(".") if self.aggregate else ():
            value = getattr(value, part)
        return "" if value is self else str(value)
