"""The SQL of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import any_, bindparam, delete, exists, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError

from turnosya.runtime.database import Statements, Transaction
from turnosya.services.users.refusals import EmailTaken, PhoneTaken
from turnosya.services.users.store import proofs
from turnosya.services.users.tables import blocks, people


@dataclass(frozen=True, slots=True)
class Account:
    """A person with their credentials, as stored."""

    id: UUID
    phone: str
    name: str
    email: str | None
    locale: str
    password_hash: str
    roles: list[str]
    created_at: datetime
    photo_file_id: UUID | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Somebody an admin blocked."""

    user_id: UUID
    reason: str
    blocked_by: UUID
    blocked_at: datetime


async def add(tx: Transaction, account: Account) -> None:
    """Stores a new account. Raises PhoneTaken or EmailTaken: the constraints decide, also between rivals."""
    added = await tx.execute(
        insert(people)
        .values(
            id=account.id,
            phone=account.phone,
            name=account.name,
            email=account.email,
            locale=account.locale,
            password_hash=account.password_hash,
            roles=account.roles,
            created_at=account.created_at,
        )
        .on_conflict_do_nothing()
        .returning(people.c.id)
    )
    if added.first() is None:
        raise PhoneTaken if await by_phone(tx, account.phone) else EmailTaken
    if await proofs.is_reserved(tx, account.phone, now=account.created_at):
        # Its former holder may yet take the change of their number back.
        raise PhoneTaken


_IS_BLOCKED = exists().where(blocks.c.user_id == people.c.id)
_ACCOUNTS = select(people, _IS_BLOCKED.label("blocked"))
# Made once: one of these is asked with almost every request and message.
_BY_ID = _ACCOUNTS.where(people.c.id == bindparam("user_id"))
_BY_PHONE = _ACCOUNTS.where(people.c.phone == bindparam("phone"))
_BY_EMAIL = _ACCOUNTS.where(func.lower(people.c.email) == bindparam("email"))
_BY_IDS = _ACCOUNTS.where(people.c.id == any_(bindparam("ids", type_=ARRAY(people.c.id.type))))


async def find(tx: Statements, user_id: UUID) -> Account | None:
    """The account with this id."""
    return _first(await tx.rows(_BY_ID, {"user_id": user_id}))


async def admins(tx: Transaction) -> list[Account]:
    """Those with the role that are not blocked, the oldest accounts first; 100 at most."""
    statement = _ACCOUNTS.where(literal_column("'admin'") == any_(people.c.roles), ~_IS_BLOCKED)
    return [_of(row) for row in await tx.execute(statement.order_by(people.c.id).limit(100))]


async def by_phone(tx: Statements, phone: str) -> Account | None:
    """The account with this number, E.164."""
    return _first(await tx.rows(_BY_PHONE, {"phone": phone}))


async def by_email(tx: Statements, email: str) -> Account | None:
    """The account with this address, however its letters are cased."""
    return _first(await tx.rows(_BY_EMAIL, {"email": email.lower()}))


async def find_many(tx: Statements, ids: Sequence[UUID]) -> list[Account]:
    """Those of these accounts that exist."""
    return [_of(row) for row in await tx.rows(_BY_IDS, {"ids": list(ids)})]


async def search(tx: Transaction, words: str, *, after: UUID | None, limit: int) -> list[Account]:
    """Accounts whose name, number or address contains ``words``, newest first."""
    statement = _ACCOUNTS.order_by(people.c.id.desc()).limit(limit)
    if words:
        like = f"%{_literal(words)}%"
        statement = statement.where(
            or_(people.c.name.ilike(like), people.c.phone.like(like), people.c.email.ilike(like))
        )
    if after is not None:
        statement = statement.where(people.c.id < after)
    return [_of(row) for row in await tx.execute(statement)]


async def lock(tx: Transaction, user_id: UUID) -> Account | None:
    """The account, which nobody else changes until this transaction ends."""
    statement = _ACCOUNTS.where(people.c.id == user_id).with_for_update(of=people)
    return _first((await tx.execute(statement)).all())


async def change(tx: Transaction, user_id: UUID, values: Mapping[str, object]) -> None:
    """Writes these columns. Raises PhoneTaken or EmailTaken."""
    try:
        await tx.execute(update(people).where(people.c.id == user_id).values(**values))
    except IntegrityError as error:
        raise (EmailTaken if "people_email_key" in str(error.orig) else PhoneTaken) from error


async def block(tx: Transaction, block: Block) -> None:
    """Keeps a block; one that is there already gets the new reason."""
    values = {"reason": block.reason, "blocked_by": block.blocked_by, "blocked_at": block.blocked_at}
    await tx.execute(
        insert(blocks)
        .values(user_id=block.user_id, **values)
        .on_conflict_do_update(index_elements=[blocks.c.user_id], set_=values)
    )


async def unblock(tx: Transaction, user_id: UUID) -> None:
    """Forgets a block, if there is one."""
    await tx.execute(delete(blocks).where(blocks.c.user_id == user_id))


async def blocked(tx: Transaction) -> list[Block]:
    """Everybody who is blocked, oldest first."""
    rows = await tx.execute(select(blocks).order_by(blocks.c.blocked_at, blocks.c.user_id))
    return [Block(**row) for row in rows.mappings()]


def _first(rows: Sequence[Any]) -> Account | None:
    return _of(rows[0]) if rows else None


def _of(row: Any) -> Account:  # noqa: ANN401 - a row, its columns as attributes
    return Account(
        id=row.id,
        phone=row.phone,
        name=row.name,
        email=row.email,
        locale=row.locale,
        password_hash=row.password_hash,
        roles=row.roles,
        created_at=row.created_at,
        photo_file_id=row.photo_file_id,
        blocked=row.blocked,
    )


def _literal(words: str) -> str:
    """The words with what LIKE would take for a pattern made plain."""
    return words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
