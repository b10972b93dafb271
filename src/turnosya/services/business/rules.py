"""Which changes of a business could leave a turno without a place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TypeVar
from uuid import UUID

from turnosya.contracts.business import NOT_OF_BUSINESS
from turnosya.runtime.messages import Conflict, invalid
from turnosya.services.business.sought import sought
from turnosya.services.business.state import BusinessState, Offer, StaffMember

T = TypeVar("T", bound=Offer | StaffMember)

# So that the whole state, which travels with every change, stays well below a mebibyte.
MAX_OFFERS = 500
MAX_STAFF = 200

# One letter of eight, or two exchanged, is a slip; `barrio` for `barberia` is another word.
_SAME_LETTERS = 0.8


def could_strand(before: BusinessState, after: BusinessState) -> bool:
    """Whether turnos must be asked first (rule R11).

    The zone, the country with its holidays, a suspension, an offer or member that is taken away, and members
    who may no longer do an offer. Price, duration, buffers and capacity strand nobody: booked turnos keep
    theirs (R10).
    """
    if after.deleted != before.deleted or _place(after) != _place(before):
        return True
    if after.suspension is not None and before.suspension is None:
        return True
    members = {member.id: member for member in after.staff}
    offers = {offer.id: offer for offer in after.offers}
    attending = {member.id for member in after.staff if _stands(member)}
    return any(_taken_away(member, members[member.id]) for member in before.staff) or any(
        _taken_away(offer, offers[offer.id]) or _narrowed(offer, offers[offer.id], attending)
        for offer in before.offers
    )


def is_another_name(before: BusinessState, after: BusinessState) -> bool:
    """Whether it is called otherwise: accents, small letters, blanks and signs make no other name."""
    return _letters(after.profile.name) != _letters(before.profile.name)


def with_offer(state: BusinessState, offer: Offer) -> BusinessState:
    """The business with this offer added, or in place of the one with its id. Checks its members."""
    if offer.staff_ids is not None:
        members = {member.id for member in state.staff if not member.deleted}
        for place, member_id in enumerate(offer.staff_ids):
            if member_id not in members:
                raise invalid(f"staff_ids.{place}", "staff_ids", NOT_OF_BUSINESS)
    offers = _put(state.offers, offer)
    if _living(offers) > MAX_OFFERS:
        raise Conflict
    return replace(state, offers=offers)


def with_member(state: BusinessState, member: StaffMember) -> BusinessState:
    """The business with this member added, or in place of the one with their id.

    Conflict when another member has that account. A member who leaves is taken out of the offers.
    """
    others = [one for one in state.staff if one.id != member.id and not one.deleted]
    if member.user_id is not None and any(one.user_id == member.user_id for one in others):
        raise Conflict
    staff = _put(state.staff, member)
    if _living(staff) > MAX_STAFF:
        raise Conflict
    offers = state.offers
    if member.deleted:
        offers = tuple(_without(offer, member.id) for offer in offers)
    return replace(state, staff=staff, offers=offers)


def is_a_slip(typed: str, word: str) -> bool:
    """Whether somebody may have meant ``word``: most letters of the two are the same, in the same order."""
    return SequenceMatcher(None, typed, word, autojunk=False).ratio() >= _SAME_LETTERS


def _letters(name: str) -> str:
    return "".join(letter for letter in sought(name) if letter.isalnum()) or name


def _place(state: BusinessState) -> tuple[str, str | None]:
    address = state.profile.address
    return state.profile.timezone, address.country if address else None


def _stands(one: Offer | StaffMember) -> bool:
    return one.active and not one.deleted


def _taken_away(before: Offer | StaffMember, after: Offer | StaffMember) -> bool:
    # An inactive one may still have turnos that somebody chose to keep.
    return (after.deleted and not before.deleted) or (_stands(before) and not _stands(after))


def _narrowed(before: Offer, after: Offer, attending: Collection[UUID]) -> bool:
    if not _stands(before) or after.staff_ids is None:
        return False
    able = attending if before.staff_ids is None else set(before.staff_ids) & set(attending)
    return not set(able) <= set(after.staff_ids)


def _without(offer: Offer, member_id: UUID) -> Offer:
    if offer.staff_ids is None or member_id not in offer.staff_ids:
        return offer
    return replace(offer, staff_ids=tuple(one for one in offer.staff_ids if one != member_id))


def _put(items: Sequence[T], item: T) -> tuple[T, ...]:
    if any(one.id == item.id for one in items):
        return tuple(item if one.id == item.id else one for one in items)
    return (*items, item)


def _living(items: Sequence[Offer | StaffMember]) -> int:
    return sum(not one.deleted for one in items)
