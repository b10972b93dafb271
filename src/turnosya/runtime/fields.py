"""Types of request and answer fields, as the public contract writes them."""

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictInt,
)

from turnosya.runtime.field_errors import WORDS, wrong

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


def _instant(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.match(value):
        raise wrong("instant")
    return value


def _in_range(value: datetime) -> datetime:
    # So that adding or taking days, or another zone, never leaves what datetime can hold.
    if not 1970 <= value.year <= 9000:  # noqa: PLR2004 - named by the words
        raise wrong("instant", WORDS["years"])
    return value


def _date(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE.match(value):
        raise wrong("date")
    return value


def _date_in_range(value: date) -> date:
    if not 1970 <= value.year <= 9000:  # noqa: PLR2004 - named by the words
        raise wrong("date", WORDS["years"])
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_instant), AfterValidator(_in_range)]
"""An instant with an offset; a bare number or a text without an offset is refused."""

CalendarDate = Annotated[date, BeforeValidator(_date), AfterValidator(_date_in_range)]
"""A date, ``YYYY-MM-DD``."""

Integer = StrictInt
Flag = StrictBool


class Closed(BaseModel):
    """Base of request bodies: an unknown field is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Resource(BaseModel):
    """Base of answers: every field is shown, unset ones as null."""

    model_config = ConfigDict(frozen=True)


def unfit_texts(value: Any, path: str = "") -> list[str]:  # noqa: ANN401 - any JSON
    """Paths of texts that no store can keep: those with NUL or half of a surrogate pair."""
    if isinstance(value, str):
        return [path] if "\0" in value or _SURROGATE.search(value) else []
    if isinstance(value, dict):
        found: list[str] = []
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType] - any JSON
            # The path is told to the caller: half a pair in it could not be encoded.
            shown = _SURROGATE.sub("\ufffd", str(key))  # pyright: ignore[reportUnknownArgumentType]
            name = f"{path}.{shown}" if path else shown
            found += unfit_texts(key, name) + unfit_texts(inner, name)
        return found
    if isinstance(value, list):
        return [bad for i, inner in enumerate(value) for bad in unfit_texts(inner, f"{path}.{i}")]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return []
