"""Whatever can be wrong with a field of a request has words in three languages."""

import ast
from collections.abc import Iterator
from inspect import getsource
from textwrap import dedent
from typing import Annotated, Any, Literal, cast

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from tests.project.tree import python_files, short
from turnosya.app import SERVICES
from turnosya.runtime.field_errors import NOT_VALID, WORDS, field_errors, wrong
from turnosya.runtime.messages import Say
from turnosya.services.chat.sockets import events

# All that pydantic says of a value that a schema of this type refuses.
OF_TYPE = {
    "str": {"string_type"},
    "int": {"int_type"},
    "float": {"float_type", "finite_number"},
    "bool": {"bool_type"},
    "uuid": {"uuid_type", "uuid_parsing"},
    "date": {"date", "date_from_datetime_parsing", "date_parsing"},
    "datetime": {"instant", "datetime_parsing", "datetime_from_date_parsing"},
    "list": {"list_type"},
    "literal": {"literal_error"},
    "enum": {"enum"},
    "model": {"model_type", "model_attributes_type"},
    "model-fields": {"missing", "extra_forbidden"},
    # These only lead to others.
    "default": set[str](),
    "nullable": set[str](),
    "model-field": set[str](),
    "function-before": set[str](),
    "function-after": set[str](),
    "definitions": set[str](),
    "definition-ref": set[str](),
}
READ_FROM_TEXT = {
    "int": {"int_parsing", "int_parsing_size", "int_from_float"},
    "float": {"float_parsing"},
    "bool": {"bool_parsing"},
}
OF_LIMIT = {
    "ge": "greater_than_equal",
    "gt": "greater_than",
    "le": "less_than_equal",
    "lt": "less_than",
    "pattern": "string_pattern_mismatch",
}
OWN = Say("nunca", "never", "nunca mais")
OF_LENGTH = {"str": ("string_too_short", "string_too_long"), "list": ("too_short", "too_long")}


def schemas() -> Iterator[tuple[str, Any]]:
    """What every call and every event of a socket reads: its name, and pydantic's schemas of it."""
    for service in SERVICES.values():
        for router in service.web:
            for route in router.routes:
                assert isinstance(route, APIRoute)
                for one in _read_by(route.dependant):
                    yield f"{route.path} {one.name}", one._type_adapter.core_schema
    for name, (kind, _) in events._EVENTS.items():  # pyright: ignore[reportPrivateUsage] - all there are
        yield name, kind.core_schema


def _read_by(dependant: Dependant) -> Iterator[Any]:
    yield from (*dependant.body_params, *dependant.query_params, *dependant.header_params)
    for inner in dependant.dependencies:
        yield from _read_by(inner)


def parts(schema: object) -> Iterator[dict[str, Any]]:
    """A schema and all in it."""
    if isinstance(schema, dict):
        one = cast("dict[str, Any]", schema)
        if isinstance(one.get("type"), str):
            yield one
        for name, inner in one.items():
            if name not in {"metadata", "serialization", "config", "default", "expected", "members", "cls"}:
                yield from parts(inner)
    elif isinstance(schema, list | tuple):
        for inner in cast("list[object]", schema):
            yield from parts(inner)


def codes_of(part: dict[str, Any]) -> set[str]:
    """What one schema can say of a value."""
    kind: str = part["type"]
    if kind in {"no-info", "with-info"}:
        return set()
    found = set(OF_TYPE[kind])
    if not part.get("strict"):
        found |= READ_FROM_TEXT.get(kind, set[str]())
    found |= {code for limit, code in OF_LIMIT.items() if part.get(limit) is not None}
    for limit, place in (("min_length", 0), ("max_length", 1)):
        if part.get(limit) is not None:
            found.add(OF_LENGTH[kind][place])
    return found


def test_every_code_that_a_request_can_be_answered_with_has_words() -> None:
    without = {
        code: where
        for where, schema in schemas()
        for part in parts(schema)
        for code in codes_of(part) - WORDS.keys()
    }
    assert without == {}


def test_a_validator_names_its_code() -> None:
    """A ValueError would say ``value_error`` and pydantic's own English."""
    nameless = {
        getattr(check, "__qualname__", str(check))
        for _, schema in schemas()
        for part in parts(schema)
        if part["type"].startswith("function-")
        for check in [part["function"]["function"]]
        if getattr(check, "__module__", "").startswith("turnosya.") and _raises_without_a_code(check)
    }
    assert nameless == set()


def _raises_without_a_code(check: Any) -> bool:  # noqa: ANN401 - whatever is called
    tree = ast.parse(dedent(getsource(check)))
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    return asserts or any(ast.unparse(one).startswith(("ValueError", "AssertionError")) for one in raised)


def test_only_one_place_makes_errors_of_pydantic() -> None:
    named = [short(path) for path in python_files("src") if "PydanticCustomError" in path.read_text()]
    assert named == ["src/turnosya/runtime/field_errors.py"]


@pytest.mark.parametrize("code", sorted(WORDS))
def test_three_languages_say_the_same_limits(code: str) -> None:
    es, en, pt = WORDS[code]
    assert es
    assert en
    assert pt
    limits = [{part.partition("}")[0] for part in text.split("{")[1:]} for text in (es, en, pt)]
    assert limits[0] == limits[1] == limits[2]


def _never(_: str) -> str:
    raise wrong("never", OWN)


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        pytest.param(
            Annotated[str, Field(max_length=3)],
            "abcd",
            Say(
                "es demasiado largo; máximo de caracteres: 3",
                "is too long; most characters: 3",
                "é longo demais; máximo de caracteres: 3",
            ),
            id="long",
        ),
        pytest.param(
            Annotated[float, Field(ge=-90.0)],
            -91,
            Say("debe ser al menos -90", "must be at least -90", "deve ser no mínimo -90"),
            id="least",
        ),
        pytest.param(
            Literal["a", "b", "c"],
            "d",
            Say("debe ser 'a', 'b' o 'c'", "must be 'a', 'b' or 'c'", "deve ser 'a', 'b' ou 'c'"),
            id="choice",
        ),
        pytest.param(Annotated[str, AfterValidator(_never)], "d", OWN, id="own"),
    ],
)
def test_a_limit_stands_in_the_sentence(kind: Any, value: object, says: Say) -> None:  # noqa: ANN401 - any type
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    [error] = field_errors(refused.value.errors(), within=0)
    assert (error.says, error.message) == (says, says.en)


def test_a_code_that_nobody_foresaw_is_not_said_in_english_to_all() -> None:
    [error] = field_errors([{"loc": ("body", "a", 0), "type": "brand_new", "msg": "Input is odd"}], within=1)
    assert (error.field, error.code, error.says) == ("a.0", "brand_new", NOT_VALID)
