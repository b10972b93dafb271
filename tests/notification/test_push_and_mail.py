"""Cards, letters, and what goes on by another channel; over RabbitMQ, as where services run apart."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, cast

import pytest
import pytest_asyncio
from starlette.responses import Response

from tests.notification.outside import (
    a_booking,
    a_stage_with_providers,
    a_town_told_nothing,
    called,
    ended,
    put_off,
    rows,
    set_email,
    with_devices,
)
from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, Town, a_code
from tests.notification.providers import (
    HTML,
    HTML_200,
    Providers,
    a_status,
    a_subscription,
    a_webhook,
    an_error,
    fcm_error,
)
from tests.servers import Servers
from tests.stage import Stage, until
from turnosya.contracts.turnos import AppointmentBooked, AppointmentCancelled
from turnosya.contracts.users import Device
from turnosya.services.notification import delivery
from turnosya.services.notification.context import Notification
from turnosya.services.notification.store import addresses
from turnosya.services.users.context import Users

pytestmark = pytest.mark.asyncio(loop_scope="module")
PHONE = Device(token="phone", platform="fcm", subscription=None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers, outside: Providers) -> AsyncGenerator[Stage]:
    # So that a second try of a code on one channel is not overtaken by the next one.
    patient = {"TURNOSYA_CODE_FALLBACK_S": "60"}
    async with a_stage_with_providers(servers, outside, broker_url=servers.broker_url, **patient) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def town(stage: Stage, outside: Providers) -> Town:
    return await a_town_told_nothing(stage, outside)


async def test_news_that_matters_and_never_arrives_goes_by_the_next_channel_once(
    town: Town, outside: Providers
) -> None:
    await set_email(town, "carla@mail.example")
    await a_booking(town)
    turno = town.appointment(owner_id=town.client_id)
    await town.stage.tell(AppointmentCancelled(appointment=turno, actor_id=turno.service_id, reason=None))
    [booking] = await ended(town, "appointment_booked", "sent")
    [cancelled] = await ended(town, "appointment_cancelled", "sent")
    assert booking["fallback_at"] is None
    assert cancelled["fallback_at"] - cancelled["handed_at"] > timedelta(minutes=29)
    context = cast("Notification", town.stage.running["notification"].context)
    for _ in range(2):
        async with town.stage.running["notification"].host.db.transaction() as tx:
            await tx.connection.exec_driver_sql(
                "UPDATE deliveries SET fallback_at = now() WHERE fallback_at IS NOT NULL"
            )
        await asyncio.gather(*(delivery.watch_once(context) for _ in range(3)))
        first, second = await ended(town, "appointment_cancelled", "sent", "sent")
        assert (first["channel"], second["channel"], second["fallback_at"]) == ("whatsapp", "email", None)
    assert len(outside.post.got) == 1


async def test_news_that_arrived_is_not_waited_for(town: Town, outside: Providers) -> None:
    await set_email(town, "carla@mail.example")
    turno = town.appointment(owner_id=town.client_id)
    await town.stage.tell(AppointmentCancelled(appointment=turno, actor_id=turno.service_id, reason=None))
    [one] = await ended(town, "appointment_cancelled", "sent")
    # A repeated "sent" is no arrival.
    await called(town, a_webhook(a_status(str(one["id"]), "sent", wamid="w")))
    [one] = await rows(town, "appointment_cancelled")
    assert one["fallback_at"] is not None
    await called(town, a_webhook(a_status(str(one["id"]), "read", wamid="w")))
    [one] = await ended(town, "appointment_cancelled", "read")
    assert one["fallback_at"] is None
    assert outside.post.got == []


async def test_a_card_goes_to_every_device_and_what_is_gone_is_forgotten(
    town: Town, outside: Providers
) -> None:
    endpoint = f"{outside.browsers.url}/push/one"
    await with_devices(
        town,
        Device(token="phone", platform="fcm", subscription=None),
        Device(token="old phone", platform="fcm", subscription=None),
        Device(token="browser", platform="webpush", subscription=a_subscription(endpoint)),
        Device(token="inside", platform="webpush", subscription=a_subscription("https://10.0.0.1/x")),
    )
    outside.firebase.tricks["old phone"] = [fcm_error(404, error_code="UNREGISTERED")]
    await a_booking(town)
    [one] = await ended(town, "appointment_booked", "sent")
    assert one["channel"] == "push"
    [card] = outside.firebase.got
    assert card["token"] == "phone"
    assert card["data"]["appointment_id"]
    [(headers, sealed)] = outside.browsers.got
    assert headers["content-encoding"] == "aes128gcm"
    assert headers["authorization"].startswith("vapid t=")
    assert b"Barber" not in sealed
    context = cast("Users", town.stage.running["users"].context)

    async def left() -> set[str]:
        async with context.db.read() as tx:
            found = await tx.connection.exec_driver_sql("SELECT token FROM devices")
            return {str(token) for token in found.scalars()}

    assert await until(left, lambda tokens: len(tokens) == 2) == {"phone", "browser"}
    assert outside.graph.got == []


@pytest.mark.parametrize(
    ("answers", "channels"),
    [
        ([fcm_error(404, error_code="UNREGISTERED")], ["push", "whatsapp"]),
        ([fcm_error(400, field_name="message.token")], ["push", "whatsapp"]),
        ([fcm_error(400, field_name="message.data")], ["push", "whatsapp"]),
        ([fcm_error(401)], ["push"]),
    ],
    ids=["gone", "no token", "ours", "passes"],
)
async def test_a_card_that_cannot_arrive_goes_by_whatsapp(
    town: Town, outside: Providers, answers: list[Any], channels: list[str]
) -> None:
    await with_devices(town, Device(token="phone", platform="fcm", subscription=None))
    outside.firebase.tricks["phone"] = answers
    await a_booking(town)
    found = await until(
        lambda: rows(town, "appointment_booked"), lambda rows: bool(rows) and rows[-1]["state"] == "sent"
    )
    assert [one["channel"] for one in found] == channels


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (fcm_error(404, error_code="UNREGISTERED"), 0),
        (fcm_error(400, field_name="message.token"), 0),
        (fcm_error(403, error_code="SENDER_ID_MISMATCH"), 0),
        (fcm_error(404), 1),
        (fcm_error(400, field_name="message.data"), 1),
        (HTML, 1),
    ],
    ids=["unregistered", "no token", "of another project", "no project", "ours", "html"],
)
async def test_only_what_is_said_of_a_device_costs_it_and_never_another_s_cards(
    town: Town, outside: Providers, answer: Response, left: int
) -> None:
    await with_devices(town, PHONE)
    outside.firebase.tricks["phone"] = [answer]
    await a_booking(town)
    await until(
        lambda: rows(town, "appointment_booked"), lambda rows: bool(rows) and rows[-1]["state"] == "sent"
    )
    context = cast("Users", town.stage.running["users"].context)

    async def devices() -> int:
        async with context.db.read() as tx:
            found = await tx.connection.exec_driver_sql("SELECT count(*) FROM devices")
            return int(found.scalar_one())

    assert await until(devices, lambda found: found == left) == left
    async with town.stage.running["notification"].host.db.read() as tx:
        assert (await addresses.outlook(tx, "push")).paused_for is None


async def test_important_news_comes_on_whatsapp_besides(town: Town, outside: Providers) -> None:
    await with_devices(
        town, Device(token="phone", platform="fcm", subscription=None), whatsapp_important=True
    )
    await a_booking(town)
    await ended(town, "appointment_booked", "sent", "sent")
    assert (len(outside.firebase.got), len(outside.graph.got)) == (1, 1)


@pytest.mark.parametrize(("answer", "tries"), [("450 later", 2), ("550 nobody here", 1)])
async def test_an_address_that_takes_nothing_is_not_written_to_again(
    town: Town, outside: Providers, answer: str, tries: int
) -> None:
    await set_email(town, "carla@mail.example")
    outside.post.refusals["carla@mail.example"] = answer
    code = a_code(CLIENT_PHONE, "login", channel="email", email="carla@mail.example", user_id=town.client_id)
    await town.stage.tell(code)
    if tries == 1:
        found = await ended(town, "code_requested", "failed", "sent")
        assert [one["channel"] for one in found] == ["email", "whatsapp"]
    else:
        await until(
            lambda: rows(town, "code_requested"),
            lambda found: bool(found) and found[0]["retry_at"] is not None,
        )
        outside.post.refusals.clear()
        await until(lambda: rows(town, "code_requested"), lambda found: found[0]["state"] == "sent")
    async with town.stage.running["notification"].host.db.read() as tx:
        shut = await tx.connection.exec_driver_sql("SELECT count(*) FROM suppressions")
        assert shut.scalar_one() == (1 if tries == 1 else 0)


async def test_names_with_line_breaks_and_ten_thousand_characters_stay_names(
    town: Town, outside: Providers
) -> None:
    await set_email(town, "carla@mail.example")
    outside.graph.tricks += [an_error(131026), an_error(131026)]
    name = "Bcc: all@mail.example\r\nX-Evil: 1\r\n\r\n\u202eevil {{ 7 * 7 }} " + "á" * 10_000
    turno = town.appointment(owner_id=town.client_id, business_name=name)
    await town.stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id))
    await ended(town, "appointment_booked", "failed", "sent")
    [letter] = outside.post.got
    assert letter["Bcc"] is None
    assert letter["X-Evil"] is None
    assert "49" not in letter.get_content()
    assert OWNER_PHONE not in letter.as_string()


@pytest.mark.parametrize("trick", [HTML, fcm_error(503), fcm_error(500)], ids=["html", "503", "500"])
async def test_a_card_that_firebase_could_not_take_is_tried_again(
    town: Town, outside: Providers, trick: Response
) -> None:
    await with_devices(town, PHONE)
    outside.firebase.tricks["phone"] = [trick]
    await a_booking(town)
    [one] = await ended(town, "appointment_booked", "sent")
    assert (one["channel"], one["attempts"], len(outside.firebase.got)) == ("push", 2, 1)


async def test_firebase_says_when_it_may_be_asked_again_and_no_card_goes_before(
    town: Town, outside: Providers
) -> None:
    await with_devices(town, PHONE)
    outside.firebase.tricks["phone"] = [fcm_error(429, Retry_After="40")]
    await a_booking(town)
    await put_off(town, "appointment_booked")
    await a_booking(town)
    first, second = await ended(town, "appointment_booked", "queued", "queued")
    assert timedelta(seconds=35) < first["retry_at"] - first["handed_at"] < timedelta(seconds=60)
    assert (second["attempts"], outside.firebase.got) == (0, [])


async def test_whoever_waits_for_an_access_token_has_sent_nothing_and_tries_again(
    town: Town, outside: Providers
) -> None:
    await with_devices(town, PHONE)
    # The token is not good any more, and no other is given.
    outside.firebase.tricks["phone"] = [fcm_error(401)]
    outside.firebase.tokens_that_hang = {outside.firebase.tokens_asked + more for more in (1, 2)}
    await a_booking(town)
    found = await until(
        lambda: rows(town, "appointment_booked"),
        lambda found: bool(found) and found[0]["reason"] == "fcm_token_not_reached",
    )
    assert [(one["channel"], one["state"]) for one in found] == [("push", "queued")]
    assert outside.firebase.got == []


@pytest.mark.parametrize("trick", ["hang", HTML_200], ids=["hang", "html"])
async def test_a_card_that_firebase_says_nothing_of_is_not_sent_twice(
    town: Town, outside: Providers, trick: Response | str
) -> None:
    await with_devices(town, PHONE)
    outside.firebase.tricks["phone"] = [trick]
    await a_booking(town)
    [one] = await ended(town, "appointment_booked", "unknown_outcome")
    assert (one["channel"], one["attempts"], outside.graph.got) == ("push", 1, [])


@pytest.mark.parametrize(
    ("trick", "ends"),
    [
        (Response(status_code=410), [("push", "failed"), ("whatsapp", "sent")]),
        (Response(status_code=503), [("push", "sent")]),
        (Response(status_code=429), [("push", "sent")]),
        (Response(status_code=413), [("push", "failed"), ("whatsapp", "sent")]),
        (HTML, [("push", "sent")]),
        (HTML_200, [("push", "unknown_outcome")]),
    ],
    ids=["gone", "503", "429", "413", "html", "hotel"],
)
async def test_what_a_browser_s_push_service_says_is_understood(
    town: Town, outside: Providers, trick: Response, ends: list[tuple[str, str]]
) -> None:
    endpoint = f"{outside.browsers.url}/push/one"
    await with_devices(town, Device(token="b", platform="webpush", subscription=a_subscription(endpoint)))
    outside.browsers.tricks.append(trick)
    await a_booking(town)
    found = await ended(town, "appointment_booked", *(state for _, state in ends))
    assert [(one["channel"], one["state"]) for one in found] == ends


@pytest.mark.parametrize(
    ("trick", "becomes"),
    [
        ("451 later", ("sent", 2)),
        ("421 going down", ("sent", 2)),
        ("554 not with these words", ("failed", 1)),
        ("hang", ("unknown_outcome", 1)),
    ],
    ids=["451", "421", "554", "hang"],
)
async def test_what_a_mail_server_says_of_a_letter_is_understood(
    town: Town, outside: Providers, trick: str, becomes: tuple[str, int]
) -> None:
    await set_email(town, "carla@mail.example")
    outside.graph.tricks += [an_error(131026), an_error(131026)]
    outside.post.tricks.append(trick)
    await a_booking(town)
    _, letter = await ended(town, "appointment_booked", "failed", becomes[0])
    assert (letter["channel"], letter["state"], letter["attempts"]) == ("email", *becomes)
    assert len(outside.post.got) == (0 if becomes[0] == "failed" else 1)
    async with town.stage.running["notification"].host.db.read() as tx:
        shut = await tx.connection.exec_driver_sql("SELECT channel FROM suppressions")
        # The number rests; what a server has against a letter, it has not against the address.
        assert list(shut.scalars()) == ["whatsapp"]
