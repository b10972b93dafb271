"""What a caller reads beside a wrong field, in the three languages: by the code of what is wrong with it."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from pydantic_core import PydanticCustomError

from turnosya.runtime.messages import FieldError, Invalid, Say

# By pydantic's stable error types, and codes of ours that several services give; in braces stand the limits.
# tests/project/test_field_words.py finds a code that has no words and that a request can be answered with.
WORDS: Mapping[str, Say] = {
    "missing": Say("es obligatorio", "is required", "é obrigatório"),
    "extra_forbidden": Say("no es un campo conocido", "is not a known field", "não é um campo conhecido"),
    "model_attributes_type": Say("debe ser un objeto", "must be an object", "deve ser um objeto"),
    "model_type": Say("debe ser un objeto", "must be an object", "deve ser um objeto"),
    "list_type": Say("debe ser una lista", "must be a list", "deve ser uma lista"),
    "too_short": Say(
        "tiene muy pocos elementos; mínimo: {min_length}",
        "has too few items; fewest: {min_length}",
        "tem itens de menos; mínimo: {min_length}",
    ),
    "too_long": Say(
        "tiene demasiados elementos; máximo: {max_length}",
        "has too many items; most: {max_length}",
        "tem itens demais; máximo: {max_length}",
    ),
    "string_type": Say("debe ser un texto", "must be a text", "deve ser um texto"),
    "string_too_short": Say(
        "es demasiado corto; mínimo de caracteres: {min_length}",
        "is too short; fewest characters: {min_length}",
        "é curto demais; mínimo de caracteres: {min_length}",
    ),
    "string_too_long": Say(
        "es demasiado largo; máximo de caracteres: {max_length}",
        "is too long; most characters: {max_length}",
        "é longo demais; máximo de caracteres: {max_length}",
    ),
    "string_pattern_mismatch": Say(
        "no tiene la forma esperada: {pattern}",
        "does not have the form expected: {pattern}",
        "não tem a forma esperada: {pattern}",
    ),
    "literal_error": Say("debe ser {expected}", "must be {expected}", "deve ser {expected}"),
    "enum": Say("debe ser {expected}", "must be {expected}", "deve ser {expected}"),
    "int_type": Say("debe ser un número entero", "must be an integer", "deve ser um número inteiro"),
    "int_parsing": Say("debe ser un número entero", "must be an integer", "deve ser um número inteiro"),
    "int_from_float": Say("debe ser un número entero", "must be an integer", "deve ser um número inteiro"),
    "int_parsing_size": Say(
        "es un número demasiado largo", "is too long a number", "é um número longo demais"
    ),
    "float_type": Say("debe ser un número", "must be a number", "deve ser um número"),
    "float_parsing": Say("debe ser un número", "must be a number", "deve ser um número"),
    "finite_number": Say("debe ser un número finito", "must be a finite number", "deve ser um número finito"),
    "greater_than": Say("debe ser mayor que {gt}", "must be greater than {gt}", "deve ser maior que {gt}"),
    "greater_than_equal": Say("debe ser al menos {ge}", "must be at least {ge}", "deve ser no mínimo {ge}"),
    "less_than": Say("debe ser menor que {lt}", "must be less than {lt}", "deve ser menor que {lt}"),
    "less_than_equal": Say("debe ser como máximo {le}", "must be at most {le}", "deve ser no máximo {le}"),
    "bool_type": Say("debe ser verdadero o falso", "must be true or false", "deve ser verdadeiro ou falso"),
    "bool_parsing": Say(
        "debe ser verdadero o falso", "must be true or false", "deve ser verdadeiro ou falso"
    ),
    "uuid_type": Say("debe ser un UUID", "must be a UUID", "deve ser um UUID"),
    "uuid_parsing": Say("debe ser un UUID", "must be a UUID", "deve ser um UUID"),
    "instant": Say(
        "debe ser un instante con desplazamiento horario (RFC 3339)",
        "must be an instant with an offset (RFC 3339)",
        "deve ser um instante com fuso (RFC 3339)",
    ),
    "datetime_parsing": Say(
        "no es un instante que exista", "is no instant there is", "não é um instante que exista"
    ),
    "datetime_from_date_parsing": Say(
        "no es un instante que exista", "is no instant there is", "não é um instante que exista"
    ),
    "date": Say(
        "debe ser una fecha AAAA-MM-DD", "must be a date, YYYY-MM-DD", "deve ser uma data AAAA-MM-DD"
    ),
    "date_from_datetime_parsing": Say(
        "no es una fecha que exista", "is no date there is", "não é uma data que exista"
    ),
    "date_parsing": Say("no es una fecha que exista", "is no date there is", "não é uma data que exista"),
    "years": Say(
        "debe estar entre los años 1970 y 9000",
        "must lie between the years 1970 and 9000",
        "deve estar entre os anos 1970 e 9000",
    ),
    "unfit_text": Say(
        "tiene caracteres no admitidos", "has characters that cannot be kept", "tem caracteres inválidos"
    ),
    "phone": Say(
        "debe ser un número de celular", "must be a mobile phone number", "deve ser um número de celular"
    ),
    "email": Say("debe ser un e-mail", "must be an e-mail address", "deve ser um e-mail"),
    "cursor": Say(
        "no es un cursor de esta lista", "is not a cursor of this list", "não é um cursor desta lista"
    ),
    "idempotency_key": Say(
        "debe tener de 1 a 255 caracteres ASCII visibles",
        "must have 1 to 255 visible ASCII characters",
        "deve ter de 1 a 255 caracteres ASCII visíveis",
    ),
    "timezone": Say(
        "no es una zona horaria de IANA", "is no IANA time zone", "não é um fuso horário da IANA"
    ),
    "twice": Say("está más de una vez", "is there more than once", "aparece mais de uma vez"),
    "exactly_one": Say(
        "va exactamente uno de estos: {names}",
        "give exactly one of: {names}",
        "informe exatamente um de: {names}",
    ),
    "before_from": Say("es anterior a from", "lies before from", "é anterior a from"),
}
NOT_VALID = Say("no es válido", "is not valid", "não é válido")
"""For a code that nobody foresaw."""


def wrong(code: LiteralString, says: Say | None = None, **limits: object) -> PydanticCustomError:
    """What a validator raises, a ValueError: a code with words of its own, or with those of ``WORDS``."""
    says = says or words_for(code, **limits)
    return PydanticCustomError(code, "{words}", {"words": says.en, "says": says})


def wrong_field(field: str, code: str, **limits: object) -> Invalid:
    """A refusal of one field with the words of ``WORDS``."""
    return Invalid(errors=[FieldError.of(field, code, words_for(code, **limits))])


def unfit_fields(paths: Sequence[str]) -> Invalid:
    """A refusal of texts that no store can keep, at most 50 of them."""
    return Invalid(errors=[FieldError.of(path, "unfit_text", WORDS["unfit_text"]) for path in paths[:50]])


def words_for(code: str, **limits: object) -> Say:
    """The words of ``WORDS`` with their limits in them."""
    return _filled(WORDS[code], limits)


def field_errors(errors: Sequence[Mapping[str, Any]], *, within: int) -> list[FieldError]:
    """What pydantic found wrong, at most 50; the first ``within`` places of each are not the field's."""
    return [
        FieldError.of(
            ".".join(str(part) for part in error["loc"][within:]) or ".".join(map(str, error["loc"][:1])),
            str(error["type"]),
            _words_of(error),
        )
        for error in errors[:50]
    ]


def _words_of(error: Mapping[str, Any]) -> Say:
    context: Mapping[str, Any] = error.get("ctx", {})
    own: Say | None = context.get("says")
    return own or _filled(WORDS.get(error["type"], NOT_VALID), context)


def _filled(says: Say, limits: Mapping[str, object]) -> Say:
    return Say(*(text.format_map(_Limits(limits, joined)) for text, joined in zip(says, _OR, strict=True)))


_OR = Say(" o ", " or ", " ou ")


class _Limits(dict[str, str]):
    """Limits as they stand in a sentence: 90 for 90.0, and what one may choose with the language's *or*."""

    def __init__(self, limits: Mapping[str, object], joined: str) -> None:
        super().__init__({name: _plain(value) for name, value in limits.items()})
        if "expected" in self:
            *others, last = self["expected"].rsplit(" or ", 1)
            self["expected"] = joined.join([*others, last])


def _plain(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
