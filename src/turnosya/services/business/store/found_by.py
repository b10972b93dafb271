"""What a business is found by, and the SQL of the words of all of them.

Exact words, their stems and beginnings are a matter of the index on ``words``. Typing errors are looked up in
``search_words``, every word that some business uses: it has thousands of rows where trigrams of whole texts
would have to be compared a hundred thousand times (a word of 12,500 businesses took 140 ms and more).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, bindparam, func, literal_column, text
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR
from sqlalchemy.types import Text

from turnosya.runtime.database import Transaction
from turnosya.services.business import categories
from turnosya.services.business.sought import sought
from turnosya.services.business.state import BusinessState, Profile

_WORD = re.compile(r"[^\W_]+")
# A typing error in a short word makes another word of it.
CORRECTED_FROM = 5
_KEPT_FROM = CORRECTED_FROM - 1
_AT_MOST_KEPT = 300
Language = Literal["spanish", "simple"]
_CONFIGS: Mapping[Language, ColumnElement[Any]] = {
    "spanish": literal_column("'spanish'::regconfig"),
    "simple": literal_column("'simple'::regconfig"),
}

_LOOK_UP = text(
    """
    SELECT word, numnode(plainto_tsquery('spanish', word)) = 0 AS is_filler,
           CASE WHEN length(word) >= :corrected_from THEN ARRAY(
               SELECT kept.word FROM search_words AS kept
               WHERE kept.word % asked.word AND kept.word <> asked.word
               ORDER BY similarity(kept.word, asked.word) DESC, kept.word LIMIT 50
           ) ELSE ARRAY[]::text[] END AS alike
    FROM unnest(CAST(:words AS text[])) WITH ORDINALITY AS asked(word, place) ORDER BY place
    """
)
_KEEP = text(
    "INSERT INTO search_words (word) SELECT unnest(CAST(:words AS text[])) ON CONFLICT (word) DO NOTHING"
)
# Two that change the last two businesses with a word at once may leave it, or take it: then it is found as it
# is written, without typing errors.
_DROP = text(
    """
    DELETE FROM search_words WHERE word = ANY(CAST(:words AS text[])) AND NOT EXISTS (
        SELECT FROM businesses
        WHERE NOT deleted AND businesses.words
            @@ (plainto_tsquery('simple', search_words.word) || plainto_tsquery('spanish', search_words.word))
    )
    """
)


@dataclass(frozen=True, slots=True)
class Looked:
    """A word that is looked for, whether it says nothing by itself, and words of businesses like it."""

    word: str
    is_filler: bool
    alike: Sequence[str]


def columns(profile: Profile) -> dict[str, Any]:
    """The columns that the search reads."""
    words: ColumnElement[Any] = literal_column("''::tsvector", TSVECTOR())
    for weight, part in _weighted(profile).items():
        # What somebody begins to type is what it is called and where it is; of the rest stems are enough.
        for config in (_CONFIGS["spanish"],) if weight == "C" else _CONFIGS.values():
            vector = func.setweight(func.to_tsvector(config, part), literal_column(f"'{weight}'::\"char\""))
            words = words.op("||", return_type=TSVECTOR())(vector)
    return {
        "sought_name": sought(profile.name),
        "sought_category": sought(profile.category) if profile.category else None,
        "words": words,
    }


def query(language: Language, text_: str) -> ColumnElement[Any]:
    """What words must match, in the language of ``to_tsquery``: by their stems, or as they are."""
    return func.to_tsquery(_CONFIGS[language], text_, type_=TSQUERY())


def words_of(text_: str) -> list[str]:
    """Its words, as they are compared."""
    return _WORD.findall(sought(text_))


async def keep_words(tx: Transaction, before: BusinessState | None, after: BusinessState) -> None:
    """Adds the words that a business uses now, and takes out those that nobody uses any more."""
    new, old = _kept_words(after), _kept_words(before) if before is not None else set[str]()
    # In order: two that write the same words never wait for each other.
    if added := sorted(new - old):
        await tx.execute(_KEEP, {"words": added})
    if gone := sorted(old - new):
        await tx.execute(_DROP, {"words": gone})


async def look_up(tx: Transaction, words: Sequence[str]) -> list[Looked]:
    """What is known of the words that somebody looks for, in their order."""
    rows = await tx.execute(
        _LOOK_UP.bindparams(bindparam("words", type_=ARRAY(Text))),
        {"words": list(words), "corrected_from": CORRECTED_FROM},
    )
    return [Looked(row.word, row.is_filler, row.alike) for row in rows]


def _kept_words(state: BusinessState) -> set[str]:
    if state.deleted:
        return set()
    found = [word for part in _weighted(state.profile).values() for word in words_of(part)]
    long = dict.fromkeys(word for word in found if len(word) >= _KEPT_FROM and not word.isdigit())
    return set(list(long)[:_AT_MOST_KEPT])


def _weighted(profile: Profile) -> Mapping[str, str]:
    """Texts by how much they say of it."""
    category = profile.category or ""
    key = categories.known(category)
    kinds = (category, *(categories.CATEGORIES[key] if key is not None else ()))
    address = profile.address
    place = (address.city, address.region) if address is not None else ()
    parts = {"A": (profile.name,), "B": kinds, "C": (profile.description,), "D": place}
    return {weight: sought(" ".join(filter(None, texts))) for weight, texts in parts.items()}
