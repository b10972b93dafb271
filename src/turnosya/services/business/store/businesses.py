"""The SQL of business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import replace as dataclass_replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, Table, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from turnosya.contracts.business import Price
from turnosya.runtime.database import Transaction
from turnosya.services.business.slugs import slug_of, with_mark
from turnosya.services.business.state import (
    Address,
    BusinessState,
    Location,
    Offer,
    Profile,
    StaffMember,
    Suspension,
)
from turnosya.services.business.store import found_by, pictures
from turnosya.services.business.tables import businesses, services, staff

READ = (*businesses.c, pictures.SINGLES)
"""What ``state_of`` makes a business of."""


async def find(tx: Transaction, business_id: UUID) -> BusinessState | None:
    """The whole business, also when it is deleted."""
    return await _whole(tx, select(*READ).where(businesses.c.id == business_id))


async def lock(tx: Transaction, business_id: UUID) -> BusinessState | None:
    """The whole business, which nobody else changes until this transaction ends."""
    return await _whole(
        tx, select(*READ).where(businesses.c.id == business_id).with_for_update(of=businesses)
    )


async def find_profile(tx: Transaction, business_id: UUID) -> BusinessState | None:
    """A business that is not deleted, without its offers and members."""
    statement = select(*READ).where(businesses.c.id == business_id, ~businesses.c.deleted)
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else state_of(row)


async def owned_by(tx: Transaction, owner_id: UUID, *, after: UUID | None, limit: int) -> list[BusinessState]:
    """Profiles of somebody's businesses, oldest first."""
    return await _profiles(tx, [businesses.c.owner_id == owner_id], after=after, limit=limit)


async def of_person(tx: Transaction, user_id: UUID) -> list[UUID]:
    """Every business that names somebody as its owner or a member, deleted ones too, by id."""
    works = select(staff.c.business_id).where(staff.c.user_id == user_id)
    statement = select(businesses.c.id).where(
        or_(businesses.c.owner_id == user_id, businesses.c.id.in_(works))
    )
    return list((await tx.execute(statement.order_by(businesses.c.id))).scalars())


async def offers_of(tx: Transaction, business_id: UUID, *, after: UUID | None, limit: int) -> list[Offer]:
    """What a business offers, oldest first, deleted ones left out."""
    return [_offer(row) for row in await _items(tx, services, business_id, after=after, limit=limit)]


async def staff_of(
    tx: Transaction, business_id: UUID, *, after: UUID | None, limit: int
) -> list[StaffMember]:
    """Who works in a business, oldest first, those who left not among them."""
    return [_member(row) for row in await _items(tx, staff, business_id, after=after, limit=limit)]


async def addressed(tx: Transaction, state: BusinessState) -> BusinessState:
    """A new business with the slug of its name; with a mark where another has that one."""
    slug = slug_of(state.profile.name)
    # One after the other, whoever opens of one name.
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"slug {slug}", 0))))
    taken = select(businesses.c.id).where(businesses.c.slug == slug)
    if not slug or (await tx.execute(taken)).first() is not None:
        slug = with_mark(slug, state.id)
    return dataclass_replace(state, slug=slug)


async def find_by_slug(tx: Transaction, slug: str) -> BusinessState | None:
    """The whole business whose page that is, if it is not deleted."""
    return await _whole(tx, select(*READ).where(businesses.c.slug == slug, ~businesses.c.deleted))


async def add(tx: Transaction, state: BusinessState) -> None:
    """Stores a new business with all that it has."""
    columns = {**_columns(state), "last_version": state.version}
    await tx.execute(
        insert(businesses).values(
            id=state.id,
            version=state.version,
            owner_id=state.owner_id,
            created_at=state.created_at,
            **columns,
        )
    )
    await _write_parts(tx, state, offers=state.offers, members=state.staff)
    await found_by.keep_words(tx, None, state)


async def reserve_version(tx: Transaction, business_id: UUID) -> int:
    """A version that no other change of this business gets."""
    reserved = await tx.execute(
        update(businesses)
        .where(businesses.c.id == business_id)
        .values(last_version=businesses.c.last_version + 1)
        .returning(businesses.c.last_version)
    )
    return int(reserved.scalar_one())


async def replace(tx: Transaction, before: BusinessState, after: BusinessState) -> None:
    """Stores ``after`` in place of ``before``, which is locked."""
    await tx.execute(
        update(businesses)
        .where(businesses.c.id == before.id)
        .values(version=after.version, **_columns(after))
    )
    await found_by.keep_words(tx, before, after)
    await _write_parts(
        tx,
        after,
        offers=[offer for offer in after.offers if offer not in before.offers],
        members=[member for member in after.staff if member not in before.staff],
    )


async def _whole(tx: Transaction, statement: Select[Any]) -> BusinessState | None:
    row = (await tx.execute(statement)).mappings().first()
    if row is None:
        return None
    business_id = row["id"]
    offers = await tx.execute(
        select(services).where(services.c.business_id == business_id).order_by(services.c.id)
    )
    members = await tx.execute(select(staff).where(staff.c.business_id == business_id).order_by(staff.c.id))
    return state_of(
        row,
        offers=tuple(_offer(one) for one in offers.mappings()),
        members=tuple(_member(one) for one in members.mappings()),
    )


async def _profiles(
    tx: Transaction, where: Sequence[ColumnElement[bool]], *, after: UUID | None, limit: int
) -> list[BusinessState]:
    statement = select(*READ).where(~businesses.c.deleted, *where).order_by(businesses.c.id).limit(limit)
    if after is not None:
        statement = statement.where(businesses.c.id > after)
    return [state_of(row) for row in (await tx.execute(statement)).mappings()]


async def _items(
    tx: Transaction, table: Table, business_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    statement = select(table).where(table.c.business_id == business_id, ~table.c.deleted)
    if after is not None:
        statement = statement.where(table.c.id > after)
    return (await tx.execute(statement.order_by(table.c.id).limit(limit))).mappings().all()


async def _write_parts(
    tx: Transaction, state: BusinessState, *, offers: Sequence[Offer], members: Sequence[StaffMember]
) -> None:
    for offer in offers:
        await _put(tx, services, {"business_id": state.id, **_offer_columns(offer)})
    for member in members:
        await _put(tx, staff, {"business_id": state.id, **asdict(member)})


async def _put(tx: Transaction, table: Table, columns: dict[str, Any]) -> None:
    changed = {name: value for name, value in columns.items() if name not in {"id", "business_id"}}
    statement = insert(table).values(**columns)
    await tx.execute(statement.on_conflict_do_update(index_elements=[table.c.id], set_=changed))


def state_of(
    row: RowMapping, *, offers: tuple[Offer, ...] = (), members: tuple[StaffMember, ...] = ()
) -> BusinessState:
    """A row of ``READ``, with its parts if they were read."""
    return BusinessState(
        id=row["id"],
        version=row["version"],
        owner_id=row["owner_id"],
        created_at=row["created_at"],
        profile=_profile(row),
        offers=offers,
        staff=members,
        deleted=row["deleted"],
        slug=row["slug"],
        suspension=None
        if row["suspended_at"] is None
        else Suspension(row["suspended_at"], row["suspended_reason"]),
        rating_counts=tuple(row["rating_counts"]),
        verified_until=row["verified_until"],
        profile_image=pictures.single(row["pictures"], "profile_image"),
        portrait_image=pictures.single(row["pictures"], "portrait_image"),
        distance_m=None if (far := row.get("distance_m")) is None else round(far),
    )


def _profile(row: RowMapping) -> Profile:
    return Profile(
        name=row["name"],
        timezone=row["timezone"],
        description=row["description"],
        category=row["category"],
        address=None if row["address"] is None else Address(**row["address"]),
        location=None if row["lat"] is None else Location(row["lat"], row["lon"]),
        phone=row["phone"],
        email=row["email"],
        website=row["website"],
        accepted_payments=None if row["accepted_payments"] is None else tuple(row["accepted_payments"]),
        currency=row["currency"],
    )


def _columns(state: BusinessState) -> dict[str, Any]:
    suspension = state.suspension
    return {
        **_profile_columns(state.profile),
        "deleted": state.deleted,
        "slug": state.slug,
        "suspended_at": None if suspension is None else suspension.at,
        "suspended_reason": None if suspension is None else suspension.reason,
    }


def _profile_columns(profile: Profile) -> dict[str, Any]:
    location = profile.location
    return {
        "name": profile.name,
        "timezone": profile.timezone,
        "description": profile.description,
        "category": profile.category,
        "address": None if profile.address is None else asdict(profile.address),
        "lat": None if location is None else location.lat,
        "lon": None if location is None else location.lon,
        "phone": profile.phone,
        "email": profile.email,
        "website": profile.website,
        "accepted_payments": None if profile.accepted_payments is None else list(profile.accepted_payments),
        "currency": profile.currency,
        **found_by.columns(profile),
    }


def _offer(row: RowMapping) -> Offer:
    amount: int | None = row["price_amount"]
    return Offer(
        id=row["id"],
        created_at=row["created_at"],
        name=row["name"],
        duration_minutes=row["duration_minutes"],
        price=None if amount is None else Price(amount=amount, currency=row["price_currency"]),
        description=row["description"],
        buffer_before_minutes=row["buffer_before_minutes"],
        buffer_after_minutes=row["buffer_after_minutes"],
        capacity=row["capacity"],
        staff_ids=None if row["staff_ids"] is None else tuple(row["staff_ids"]),
        active=row["active"],
        deleted=row["deleted"],
    )


def _offer_columns(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "created_at": offer.created_at,
        "name": offer.name,
        "duration_minutes": offer.duration_minutes,
        "price_amount": None if offer.price is None else offer.price.amount,
        "price_currency": None if offer.price is None else offer.price.currency,
        "description": offer.description,
        "buffer_before_minutes": offer.buffer_before_minutes,
        "buffer_after_minutes": offer.buffer_after_minutes,
        "capacity": offer.capacity,
        "staff_ids": None if offer.staff_ids is None else list(offer.staff_ids),
        "active": offer.active,
        "deleted": offer.deleted,
    }


def _member(row: RowMapping) -> StaffMember:
    return StaffMember(
        id=row["id"],
        created_at=row["created_at"],
        name=row["name"],
        user_id=row["user_id"],
        active=row["active"],
        deleted=row["deleted"],
    )
