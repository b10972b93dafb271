"""Which changes could leave a turno without a place."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from turnosya.contracts.business import Price
from turnosya.runtime.ids import new_id
from turnosya.services.business import rules
from turnosya.services.business.state import Address, BusinessState, Offer, Profile, StaffMember

AT = datetime(2026, 6, 14, tzinfo=UTC)
ANA, CARO = (StaffMember(new_id(), AT, name) for name in ("Ana", "Caro"))
CUT = Offer(new_id(), AT, "Corte", 30, staff_ids=(ANA.id, CARO.id))
SHAVE = Offer(new_id(), AT, "Barba", 15)
SHOP = BusinessState(
    new_id(),
    1,
    new_id(),
    AT,
    Profile("Barbería", "America/Argentina/Buenos_Aires"),
    (CUT, SHAVE),
    (ANA, CARO),
)


def with_offer(**changes: object) -> BusinessState:
    return rules.with_offer(SHOP, replace(CUT, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "after",
    [
        replace(SHOP, deleted=True),
        replace(SHOP, profile=replace(SHOP.profile, timezone="UTC")),
        replace(SHOP, profile=replace(SHOP.profile, address=Address(None, None, None, None, "CL"))),
        with_offer(deleted=True),
        with_offer(active=False),
        with_offer(staff_ids=(ANA.id,)),
        rules.with_offer(SHOP, replace(SHAVE, staff_ids=(CARO.id,))),
        rules.with_member(SHOP, replace(CARO, active=False)),
        rules.with_member(SHOP, replace(CARO, deleted=True)),
    ],
)
def test_what_takes_a_place_away_is_asked_of_turnos(after: BusinessState) -> None:
    assert rules.could_strand(SHOP, after)


@pytest.mark.parametrize(
    "after",
    [
        SHOP,
        replace(SHOP, profile=replace(SHOP.profile, name="x", currency="UYU")),
        with_offer(price=Price(amount=1, currency="ARS"), duration_minutes=5, capacity=9),
        with_offer(buffer_before_minutes=60, buffer_after_minutes=60, name="x", description="y"),
        with_offer(staff_ids=None),
        rules.with_offer(SHOP, replace(SHAVE, staff_ids=(CARO.id, ANA.id))),
        rules.with_offer(SHOP, Offer(new_id(), AT, "Color", 60, active=False)),
        rules.with_member(SHOP, StaffMember(new_id(), AT, "Dora")),
        rules.with_member(SHOP, replace(CARO, name="Carolina", user_id=new_id())),
    ],
)
def test_what_strands_nobody_is_not(after: BusinessState) -> None:
    assert not rules.could_strand(SHOP, after)


def test_an_inactive_member_may_still_have_turnos_that_were_kept() -> None:
    resting = rules.with_member(SHOP, replace(CARO, active=False))
    assert rules.could_strand(resting, rules.with_member(resting, replace(CARO, active=False, deleted=True)))
    assert not rules.could_strand(resting, rules.with_member(resting, CARO))


def test_who_comes_back_narrows_nothing() -> None:
    resting = rules.with_member(SHOP, replace(CARO, active=False))
    assert not rules.could_strand(resting, rules.with_offer(resting, replace(CUT, staff_ids=(ANA.id,))))
