"""What owners are told of their business, and clients of theirs that an admin took off."""

from datetime import date

import pytest

from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, Town
from turnosya.contracts.business import (
    BusinessSuspended,
    RatingInvited,
    RatingRemoved,
    SuspensionLifted,
    VerificationApproved,
    VerificationEndedByName,
    VerificationExpired,
    VerificationExpiring,
    VerificationRejected,
    VerificationRequested,
    VerificationRevoked,
    VerificationTold,
)
from turnosya.contracts.turnos import AppointmentCancelled
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.notification import rules

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_owner_reads_once_why_the_business_is_taken_off_and_that_it_is_back(town: Town) -> None:
    business = {"business_id": new_id(), "business_name": "Barbería Ñandú", "owner_id": town.owner_id}
    suspended = BusinessSuspended.model_validate({**business, "reason": "Denúncias", "at": real_now()})
    [envelope] = await town.stage.tell(suspended)
    await town.stage.bus.deliver(envelope)
    await town.stage.tell(SuspensionLifted.model_validate(business))
    told = await town.message(OWNER_PHONE, "business_suspended")
    assert "Motivo: Denúncias" in told["body"]
    assert told["data"]["business_id"] == str(business["business_id"])
    assert (
        "a suspensão de Barbería Ñandú terminou"
        in (await town.message(OWNER_PHONE, "suspension_lifted"))["body"]
    )


async def test_an_owner_is_told_of_each_change_of_a_verification(town: Town) -> None:
    of = {"business_id": new_id(), "business_name": "Barbería Ñandú", "owner_id": town.owner_id}
    said: dict[type[VerificationTold], str] = {
        VerificationRequested: "Vamos conferir",
        VerificationApproved: "veem isso no seu perfil até 14 de junho de 2027",
        VerificationRejected: "Motivo: Ilegível",
        VerificationExpiring: "vence em 14 de junho de 2027",
        VerificationExpired: "seu perfil não a mostra mais",
        VerificationRevoked: "retiramos a verificação",
        VerificationEndedByName: "os documentos eram de Barbería Nandú",
    }
    for kind, words in said.items():
        fields = {**of, "reason": "Ilegível", "expires_on": date(2027, 6, 14)}
        fields["former_name"] = "Barbería Nandú"
        event = kind.model_validate({name: fields[name] for name in kind.model_fields})
        [envelope] = await town.stage.tell(event)
        await town.stage.bus.deliver(envelope)
        assert words in (await town.message(OWNER_PHONE, rules.template_of(kind.__name__)))["body"]


async def test_the_client_of_a_suspended_business_is_told_and_its_owner_not_of_each(town: Town) -> None:
    cancelled = AppointmentCancelled(
        appointment=town.appointment(), actor_id=new_id(), reason=None, suspended=True
    )
    await town.stage.tell(cancelled)
    told = await town.message(CLIENT_PHONE, "appointment_cancelled")
    assert "sees nobody for now, and your appointment was cancelled" in told["body"]
    await town.all_is_heard()
    assert not await town.messages(OWNER_PHONE, template="appointment_cancelled")


async def test_who_was_there_is_asked_how_it_was(town: Town) -> None:
    invited = RatingInvited(
        business_id=new_id(),
        business_name="Barbería Ñandú",
        client_id=town.client_id,
        appointment_id=new_id(),
    )
    [envelope] = await town.stage.tell(invited)
    await town.stage.bus.deliver(envelope)
    told = await town.message(CLIENT_PHONE, "rating_invited")
    assert "tell others how it was at Barbería Ñandú" in told["body"]


async def test_whose_rating_is_taken_out_reads_why(town: Town) -> None:
    removed = RatingRemoved(
        business_id=new_id(), business_name="Barbería Ñandú", client_id=town.client_id, reason="Insults"
    )
    await town.stage.tell(removed)
    assert "Reason: Insults" in (await town.message(CLIENT_PHONE, "rating_removed"))["body"]
