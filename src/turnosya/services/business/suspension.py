"""An admin takes a business off and lets it come back; meanwhile only its owner and admins see it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import BusinessSuspended, OnConflict, SecurityNoted, SuspensionLifted
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Event
from turnosya.services.business import changes
from turnosya.services.business.state import BusinessState, Suspension

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses


async def suspend(
    here: Businesses, business_id: UUID, admin_id: UUID, *, reason: str, on_conflict: OnConflict | None
) -> BusinessState:
    """Nobody finds it or books there any more; what becomes of its future turnos is as asked (rule R11).

    A suspended one only gets the new reason. Raises NotFound, NeedsDecision with the turnos that it has.
    """
    now = real_now()

    def decide(state: BusinessState) -> BusinessState:
        since = now if state.suspension is None else state.suspension.at
        return replace(state, suspension=Suspension(since, reason))

    def telling(state: BusinessState) -> list[Event]:
        told = BusinessSuspended(
            business_id=state.id,
            business_name=state.profile.name,
            owner_id=state.owner_id,
            reason=reason,
            at=now,
        )
        return [told, _noted("business_suspended", state, admin_id)]

    return await changes.apply(
        here, business_id, admin_id, decide, on_conflict=on_conflict, may=changes.anybody, telling=telling
    )


async def lift(here: Businesses, business_id: UUID, admin_id: UUID) -> None:
    """It is found and booked again; nothing if it is not suspended. Raises NotFound."""

    def telling(state: BusinessState) -> list[Event]:
        told = SuspensionLifted(
            business_id=state.id, business_name=state.profile.name, owner_id=state.owner_id
        )
        return [told, _noted("business_suspension_lifted", state, admin_id)]

    await changes.apply(
        here,
        business_id,
        admin_id,
        lambda state: replace(state, suspension=None),
        may=changes.anybody,
        telling=telling,
    )


def _noted(kind: str, state: BusinessState, admin_id: UUID) -> SecurityNoted:
    return SecurityNoted(kind=kind, actor_id=admin_id, subject_id=state.owner_id, at=real_now())
