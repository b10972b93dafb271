"""Each thing that happens to a turno is told once to each side, in their words and the business's time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, STRANGER_PHONE, Town
from turnosya.contracts.turnos import (
    AgendaRearranged,
    AppointmentAnchored,
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentExpired,
    AppointmentMissed,
    AppointmentMoved,
    AppointmentProposed,
    AppointmentRequested,
    AppointmentRestored,
    AppointmentUnplaced,
    ProposalDeclined,
    ProposalExpired,
    Relocation,
    SeriesBooked,
    WaitlistOffered,
)
from turnosya.runtime.ids import new_id
from turnosya.services.notification import rules
from turnosya.services.notification.service import service as notification

pytestmark = pytest.mark.asyncio(loop_scope="module")

AppointmentEvent = (
    AppointmentBooked
    | AppointmentRequested
    | AppointmentConfirmed
    | AppointmentMoved
    | AppointmentCancelled
    | AppointmentExpired
    | AppointmentCompleted
    | AppointmentMissed
    | AppointmentProposed
    | AppointmentUnplaced
    | ProposalDeclined
    | ProposalExpired
    | AppointmentRestored
    | WaitlistOffered
)
# What each side reads first, client in English and owner in Portuguese.
TOLD: dict[type[AppointmentEvent], tuple[str, str]] = {
    AppointmentBooked: ("You booked an appointment", "Carla fez um agendamento"),
    AppointmentRequested: ("has your request", "Carla pediu"),
    AppointmentConfirmed: ("confirmed your appointment", "Você confirmou"),
    AppointmentMoved: ("you moved your appointment", "Carla mudou"),
    AppointmentCancelled: ("you cancelled your appointment", "Carla cancelou"),
    AppointmentExpired: ("has lapsed", "expirou"),
    AppointmentCompleted: ("noted your visit", "Você marcou"),
    AppointmentMissed: ("could not come", "Você registrou"),
}
# What only the client is told.
TO_CLIENT: dict[type[AppointmentEvent], str] = {
    AppointmentProposed: "Accept: https://turnos.example/accept",
    AppointmentUnplaced: "You are on the waitlist",
    ProposalDeclined: "you declined the time we proposed",
    ProposalExpired: "the time we held for you is free again",
    AppointmentRestored: "your appointment stays as it was",
    WaitlistOffered: "a time that you waited for is free",
}


def the_event(kind: type[AppointmentEvent], town: Town, **changes: object) -> AppointmentEvent:
    """The event as turnos tells it; the client did what clients do, the owner the rest."""
    by_owner = kind in {AppointmentConfirmed, AppointmentCompleted, AppointmentMissed}
    fields: dict[str, Any] = {
        "appointment": town.appointment(**changes),
        "actor_id": town.owner_id if by_owner else town.client_id,
        "expires_at": datetime(2027, 6, 13, 23, 30, tzinfo=UTC),
        "previous_starts_at": datetime(2027, 6, 12, 2, 30, tzinfo=UTC),
        "previous_staff_id": new_id(),
        "reason": None,
        "proposal_id": new_id(),
        "starts_at": datetime(2027, 6, 15, 13, 0, tzinfo=UTC),
        "staff_name": "Beto",
        "links": {name: f"https://turnos.example/{name}" for name in ("accept", "decline", "choose")},
    }
    return kind.model_validate({name: value for name, value in fields.items() if name in kind.model_fields})


async def test_there_is_a_sentence_here_for_every_event_that_is_heard() -> None:
    about_turnos = {
        hearing.event for hearing in notification.hears if "appointment" in hearing.event.model_fields
    }
    # The same wall time, another instant: reminders move, and it is no news.
    about_turnos -= {AppointmentAnchored}
    assert about_turnos == {*TOLD, *TO_CLIENT}


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
async def test_both_sides_are_told_once(town: Town, kind: type[AppointmentEvent]) -> None:
    template = rules.template_of(kind.__name__)
    [envelope] = await town.stage.tell(the_event(kind, town))
    await town.stage.bus.deliver(envelope)
    await town.all_is_heard()
    for to, words, local in (
        (CLIENT_PHONE, TOLD[kind][0], "Monday, June 14, 10:00"),
        (OWNER_PHONE, TOLD[kind][1], "segunda-feira, 14 de junho, 10:00"),
    ):
        told = await town.message(to, template)
        assert words in told["body"], told["body"]
        assert local in told["body"], told["body"]
        assert told["data"]["starts_at"] == "2027-06-14T10:00:00-03:00"
        assert UUID(told["data"]["appointment_id"])
        assert told["to"] == to
    # They were welcomed, and told this; nothing else.
    assert len(await town.messages()) == 4


@pytest.mark.parametrize("kind", TO_CLIENT, ids=lambda kind: kind.__name__)
async def test_only_the_client_is_told_of_what_is_theirs_to_answer(
    town: Town, kind: type[AppointmentEvent]
) -> None:
    [envelope] = await town.stage.tell(the_event(kind, town))
    await town.stage.bus.deliver(envelope)
    await town.all_is_heard()
    told = await town.message(CLIENT_PHONE, rules.template_of(kind.__name__))
    assert TO_CLIENT[kind] in told["body"], told["body"]
    assert "Monday, June 14, 10:00" in told["body"], told["body"]
    asks = "links" in told["data"]
    assert asks == (kind is not AppointmentRestored)
    # Both were welcomed, and one told this.
    assert len(await town.messages()) == 3


async def test_a_series_is_told_once_to_each_side_with_all_its_dates(town: Town) -> None:
    dates = [datetime(2027, 6, day, 13, tzinfo=UTC) for day in (14, 21, 28)]
    turnos = [town.appointment(starts_at=at) for at in dates]
    alone = [AppointmentBooked(appointment=one, actor_id=town.client_id, in_series=True) for one in turnos]
    series = SeriesBooked(series_id=new_id(), appointments=turnos, actor_id=town.client_id)
    for envelope in await town.stage.tell(*alone, series):
        await town.stage.bus.deliver(envelope)
    await town.all_is_heard()
    for to, days in (
        (CLIENT_PHONE, ("June 14, 10:00", "June 21, 10:00", "June 28, 10:00")),
        (OWNER_PHONE, ("14 de junho, 10:00", "21 de junho, 10:00", "28 de junho, 10:00")),
    ):
        told = await town.message(to, "series_booked")
        assert all(day in told["body"] for day in days), told["body"]
        assert told["data"]["appointment_ids"] == [str(one.id) for one in turnos]
    assert len(await town.messages()) == 4


async def test_what_moved_together_is_told_to_each_client_and_once_to_the_owner(town: Town) -> None:
    moved = the_event(AppointmentMoved, town)
    assert isinstance(moved, AppointmentMoved)
    together = moved.model_copy(update={"together": True, "actor_id": town.owner_id})
    move = Relocation(
        appointment=moved.appointment,
        previous_starts_at=moved.previous_starts_at,
        previous_staff_name="Beto",
    )
    listed = AgendaRearranged(
        business_id=moved.appointment.business_id,
        owner_id=town.owner_id,
        moves=[move],
        actor_id=town.owner_id,
        reason=None,
    )
    for envelope in await town.stage.tell(together, listed):
        await town.stage.bus.deliver(envelope)
    await town.all_is_heard()
    assert "moved your appointment" in (await town.message(CLIENT_PHONE, "appointment_moved"))["body"]
    summary = await town.message(OWNER_PHONE, "agenda_rearranged")
    assert (
        "sexta-feira, 11 de junho, 23:30 (Beto) → segunda-feira, 14 de junho, 10:00 (Ana)" in summary["body"]
    )
    assert "Carla" not in summary["body"]
    assert len(await town.messages()) == 4


async def test_the_other_times_in_a_message_are_local_too(town: Town) -> None:
    moved = the_event(AppointmentMoved, town)
    requested = the_event(AppointmentRequested, town)
    await town.stage.tell(moved, requested)
    # 02:30 in UTC is the evening before in Buenos Aires.
    assert "Friday, June 11, 23:30" in (await town.message(CLIENT_PHONE, "appointment_moved"))["body"]
    asked = await town.message(CLIENT_PHONE, "appointment_requested")
    assert "Sunday, June 13, 20:30" in asked["body"]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns", "Pacific/Chatham"])
async def test_the_time_is_the_business_s_wherever_it_is(town: Town, zone: str) -> None:
    await town.stage.tell(the_event(AppointmentBooked, town, business_timezone=zone))
    local = {"Asia/Tokyo": "22:00", "America/St_Johns": "10:30", "Pacific/Chatham": "01:45"}[zone]
    assert local in (await town.message(CLIENT_PHONE, "appointment_booked"))["body"]


async def test_an_owner_who_is_the_client_reads_one_message(town: Town) -> None:
    await town.stage.tell(the_event(AppointmentBooked, town, client_id=town.owner_id))
    await town.message(OWNER_PHONE, "appointment_booked")
    assert len(await town.messages(template="appointment_booked")) == 1


async def test_a_client_who_cannot_be_reached_is_left_out_and_the_owner_is_told(town: Town) -> None:
    nameless = {"client_id": None, "client_name": None, "client_phone": None}
    await town.stage.tell(the_event(AppointmentCancelled, town, **nameless))
    await town.all_is_heard()
    [told] = await town.messages(template="appointment_cancelled")
    assert told["to"] == OWNER_PHONE


async def test_names_in_any_script_and_with_tricks_are_told_as_they_are(town: Town) -> None:
    names = {"client_name": "عمر {{ 7 * 7 }} 💇", "client_phone": STRANGER_PHONE, "client_id": None}
    await town.stage.tell(the_event(AppointmentBooked, town, business_name="<b>Ñandú</b>", **names))
    told = await town.message(OWNER_PHONE, "appointment_booked")
    assert "عمر {{ 7 * 7 }} 💇" in told["body"]
    assert "<b>Ñandú</b>" in told["body"]
