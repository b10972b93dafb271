"""Lists: ``?limit=&cursor=`` in, ``{"items", "next_cursor"}`` out."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.fields import unfit_texts

T = TypeVar("T")


class Listed(BaseModel, Generic[T]):
    """One page of a list."""

    # Else a page of something would have no description: docstrings are not inherited.
    model_config = ConfigDict(json_schema_extra={"description": "One page of a list."})

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for. ``after`` holds the sort values of the last row seen."""

    limit: int
    after: tuple[str, ...] | None

    @property
    def read(self) -> int:
        """How many rows to read: one more than are shown tells whether there is another page."""
        return self.limit + 1

    def of(self, rows: Sequence[T], *, sort_values: Callable[[T], Sequence[object]]) -> Listed[T]:
        """The page made of up to ``read`` rows in order."""
        shown = list(rows[: self.limit])
        more = len(rows) > self.limit
        return Listed(items=shown, next_cursor=_encode(sort_values(shown[-1])) if more and shown else None)

    def so_far(self, rows: Sequence[T], *, last: Sequence[object]) -> Listed[T]:
        """A page that ends after what was looked at, although there may be more and it may be short."""
        return Listed(items=list(rows[: self.limit]), next_cursor=_encode(last))


def _encode(values: Sequence[object]) -> str:
    text = json.dumps([str(value) for value in values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, ...]:
    try:
        values: object = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error):
        values = None
    if not isinstance(values, list) or not all(isinstance(v, str) and not unfit_texts(v) for v in values):  # pyright: ignore[reportUnknownVariableType]
        raise wrong_field("cursor", "cursor")
    return tuple(str(v) for v in values)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def bad_cursor(page: Page, length: int) -> None:
    """Refuses a cursor of another list."""
    if page.after is not None and len(page.after) != length:
        raise wrong_field("cursor", "cursor")


def after_id(page: Page) -> UUID | None:
    """The id of the last row seen, of a list whose cursor holds nothing else."""
    bad_cursor(page, 1)
    if page.after is None:
        return None
    try:
        return UUID(page.after[0])
    except ValueError:
        raise wrong_field("cursor", "cursor") from None


def after_instant(page: Page) -> tuple[datetime, UUID] | None:
    """The instant and the id of the last row seen, of a list by both."""
    bad_cursor(page, 2)
    if page.after is None:
        return None
    try:
        found = datetime.fromisoformat(page.after[0]), UUID(page.after[1])
    except ValueError:
        found = None
    if found is None or found[0].tzinfo is None:
        raise wrong_field("cursor", "cursor")
    return found


def _page(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> Page:
    return Page(limit, None if cursor is None else _decode(cursor))


Paged = Annotated[Page, Depends(_page)]
"""A route's parameter of this type is the page that the caller asks for."""
