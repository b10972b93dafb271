"""Messages on their way to providers that err, limit and hang; and what is known after."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
import pytest_asyncio
from starlette.responses import Response

from tests.notification.outside import (
    PATH,
    a_booking,
    a_login,
    a_stage_with_providers,
    a_town_told_nothing,
    called,
    ended,
    put_off,
    rows,
    set_email,
)
from tests.notification.people import CLIENT_PHONE, STRANGER_PHONE, Town, a_code
from tests.notification.providers import (
    HTML,
    HTML_200,
    Providers,
    Trick,
    a_status,
    a_webhook,
    an_error,
    signed,
)
from tests.servers import Servers
from tests.stage import Stage, until
from turnosya.contracts.turnos import AppointmentCancelled
from turnosya.runtime.clock import real_now
from turnosya.services.notification import delivery
from turnosya.services.notification.channels.whatsapp_errors import outcome_of
from turnosya.services.notification.context import Notification
from turnosya.services.notification.store import addresses, handing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers, outside: Providers) -> AsyncGenerator[Stage]:
    async with a_stage_with_providers(servers, outside) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def town(stage: Stage, outside: Providers) -> Town:
    return await a_town_told_nothing(stage, outside)


async def test_a_code_is_said_twice_in_a_template_of_its_own(town: Town, outside: Providers) -> None:
    await town.stage.tell(a_code(STRANGER_PHONE))
    [one] = await ended(town, "code_requested", "sent")
    [body] = outside.graph.to(STRANGER_PHONE)
    template = body["template"]
    assert (template["name"], template["language"]) == ("turnosya_code", {"code": "es_AR"})
    said = [part["parameters"][0]["text"] for part in template["components"]]
    assert said == ["123456", "123456"]
    assert template["components"][1]["sub_type"] == "url"
    assert body["biz_opaque_callback_data"] == str(one["id"])
    assert one["sealed"] is None


async def test_news_goes_in_a_frame_without_line_breaks(town: Town, outside: Providers) -> None:
    await a_booking(town)
    await ended(town, "appointment_booked", "sent")
    [body] = outside.graph.to(CLIENT_PHONE)
    texts = [one["text"] for one in body["template"]["components"][0]["parameters"]]
    assert body["template"]["name"] == "turnosya_news"
    assert all("\n" not in text and "    " not in text and text for text in texts)


@pytest.mark.parametrize("order", [("sent", "delivered", "read"), ("read", "delivered", "sent"), ("read",)])
async def test_receipts_in_any_order_ten_times_never_go_backwards(
    town: Town, outside: Providers, order: tuple[str, ...]
) -> None:
    await town.stage.tell(a_code(STRANGER_PHONE))
    [one] = await ended(town, "code_requested", "sent")
    seen: list[str] = []
    for state in order:
        body = a_webhook(a_status(str(one["id"]), state, wamid=one["provider_id"]))
        assert {await called(town, body) for _ in range(10)} == {200}
        seen.append((await rows(town, "code_requested"))[0]["state"])
    ranks = [("sent", "delivered", "read").index(state) for state in seen]
    assert ranks == sorted(ranks)
    assert seen[-1] == "read"


async def test_a_receipt_that_names_only_the_provider_s_id_is_understood(town: Town) -> None:
    await town.stage.tell(a_code(STRANGER_PHONE))
    [one] = await ended(town, "code_requested", "sent")
    assert await called(town, a_webhook(a_status(one["provider_id"], "delivered"))) == 200
    await ended(town, "code_requested", "delivered")


async def test_what_is_forged_is_not_there_and_what_is_unknown_changes_nothing(town: Town) -> None:
    await town.stage.tell(a_code(STRANGER_PHONE))
    [one] = await ended(town, "code_requested", "sent")
    body = a_webhook(a_status(str(one["id"]), "read", wamid="x"))
    for headers in ({}, {"X-Hub-Signature-256": "sha256=00"}, signed(body, "another"), signed(body + b" ")):
        assert await called(town, body, headers) == 404
    unknown = a_webhook(a_status("wamid.unknown", "read"), a_status("not-an-id", "read", wamid="wamid.2"))
    for nonsense in (unknown, b"", b"[]", b"{}", b"null", b'{"entry": 1}', b"\xff\xfe", b"[" * 50_000):
        assert await called(town, nonsense) == 200
    assert (await rows(town, "code_requested"))[0]["state"] == "sent"


async def test_three_megabytes_of_receipts_are_taken_and_a_byte_more_is_not(town: Town) -> None:
    padding = {"padding": "x" * 3_100_000}
    body = a_webhook(a_status("wamid.1", "read", **padding))
    assert await called(town, body[: 3 * 1024 * 1024]) == 200
    assert await called(town, body + b" " * 100_000) == 413


async def test_the_webhook_is_registered_by_who_knows_the_word(town: Town) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    async with town.stage.http("notification") as http:
        answer = await http.get(PATH, params={**query, "hub.verify_token": "what it knows"})
        assert (answer.status_code, answer.text) == (200, "1158201444")
        for token in ("", "what it does not know", "ñ"):
            refused = await http.get(PATH, params={**query, "hub.verify_token": token})
            assert refused.status_code == 404


@pytest.mark.parametrize(
    "trick", [an_error(131000, 500), an_error(2, 503), HTML], ids=["131000", "2", "html"]
)
async def test_what_passes_is_tried_again(town: Town, outside: Providers, trick: Trick) -> None:
    outside.graph.tricks.append(trick)
    await town.stage.tell(a_code(STRANGER_PHONE))
    [one] = await ended(town, "code_requested", "sent")
    assert one["attempts"] == 2
    assert len(outside.graph.to(STRANGER_PHONE)) == 1


async def test_a_code_that_nobody_answers_for_goes_once_more_and_news_never(
    town: Town, outside: Providers
) -> None:
    outside.graph.tricks += ["hang", "hang", "hang"]
    await town.stage.tell(a_code(STRANGER_PHONE))
    await ended(town, "code_requested", "unknown_outcome")
    assert len(outside.graph.to(STRANGER_PHONE)) == 2
    await a_booking(town)
    [one] = await ended(town, "appointment_booked", "unknown_outcome")
    assert len(outside.graph.to(CLIENT_PHONE)) == 1
    # A receipt brings our own id: then it is known after all.
    await called(town, a_webhook(a_status(str(one["id"]), "delivered", wamid="wamid.late")))
    await ended(town, "appointment_booked", "delivered")


async def test_an_answer_that_comes_in_drops_is_not_waited_for(town: Town, outside: Providers) -> None:
    outside.graph.tricks.append("trickle")
    await a_booking(town)
    [one] = await ended(town, "appointment_booked", "unknown_outcome")
    # Not because the claim ran out: the hand is free for another.
    assert one["reason"] == "no_answer"


async def test_a_provider_that_gives_every_message_one_id_has_them_all(
    town: Town, outside: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside.graph, "says", "wamid.the-same")
    for _ in range(2):
        await town.stage.tell(a_code(STRANGER_PHONE))
    found = await ended(town, "code_requested", "sent", "sent")
    assert len(outside.graph.to(STRANGER_PHONE)) == 2
    for one in found:
        receipt = a_webhook(a_status(str(one["id"]), "delivered", wamid="wamid.the-same"))
        assert await called(town, receipt) == 200
    await ended(town, "code_requested", "delivered", "delivered")


async def test_what_matters_goes_by_the_next_channel_when_nobody_knows_and_never_twice_by_one(
    town: Town, outside: Providers
) -> None:
    await set_email(town, "carla@mail.example")
    outside.graph.tricks += ["hang", "hang"]
    await a_booking(town)
    await ended(town, "appointment_booked", "unknown_outcome")
    turno = town.appointment(owner_id=town.client_id)
    await town.stage.tell(AppointmentCancelled(appointment=turno, actor_id=turno.service_id, reason=None))
    first, second = await ended(town, "appointment_cancelled", "unknown_outcome", "sent")
    assert (first["channel"], second["channel"]) == ("whatsapp", "email")
    assert len(outside.graph.to(CLIENT_PHONE)) == 2
    [letter] = outside.post.got
    assert "cancelled" in letter.get_content()


async def test_a_page_of_a_hotel_is_no_answer(town: Town, outside: Providers) -> None:
    outside.graph.tricks.append(HTML_200)
    await a_booking(town)
    [one] = await ended(town, "appointment_booked", "unknown_outcome")
    assert one["reason"] == "not_understood"


@pytest.mark.parametrize("said", ["at once", "by webhook"])
async def test_who_has_no_whatsapp_gets_the_login_code_by_mail_and_other_codes_nowhere_else(
    town: Town, outside: Providers, said: str
) -> None:
    await set_email(town, "carla@mail.example")
    if said == "at once":
        # With its 9, and without.
        outside.graph.tricks += [an_error(131026), an_error(131026)]
    await town.stage.tell(a_login(town))
    if said == "by webhook":
        [one] = await ended(town, "code_requested", "sent")
        status = a_status(str(one["id"]), "failed", wamid="w", errors=[{"code": 131026}])
        assert {await called(town, a_webhook(status)) for _ in range(3)} == {200}
    first, second = await ended(town, "code_requested", "failed", "sent")
    assert (first["channel"], second["channel"]) == ("whatsapp", "email")
    assert first["sealed"] is None
    [letter] = outside.post.got
    assert "123456" in letter.get_content()
    # The number rests; a code that proves a number goes nowhere else.
    outside.graph.tricks += [an_error(131026), an_error(131026)]
    await town.stage.tell(a_code(STRANGER_PHONE))
    await until(lambda: rows(town, "code_requested"), lambda found: found[-1]["state"] == "failed")
    assert len(outside.post.got) == 1


@pytest.mark.parametrize(
    ("phone", "known_as"),
    [
        ("+5491166778899", "541166778899"),
        ("+525512345678", "5215512345678"),
        ("+5531987654321", "553187654321"),
    ],
    ids=["argentina", "mexico", "brazil"],
)
async def test_a_number_known_by_its_other_spelling_is_found(
    town: Town, outside: Providers, phone: str, known_as: str
) -> None:
    outside.graph.tricks.append(an_error(131026))
    await town.stage.tell(a_code(phone))
    await ended(town, "code_requested", "sent")
    assert [one["to"] for one in outside.graph.got] == [known_as]


async def test_the_other_spelling_is_tried_only_where_the_pace_has_room_for_it(
    town: Town, outside: Providers
) -> None:
    db = town.stage.running["notification"].host.db
    asked: list[str] = []

    async def ahead_by(hours: int) -> None:
        async with db.transaction() as tx:
            await tx.connection.exec_driver_sql(
                "UPDATE channels SET next_at = now() + make_interval(hours => $1)", (hours,)
            )

    async def unknown(body: dict[str, Any]) -> Response:
        # Meanwhile others have sent what may be sent for an hour.
        asked.append(body["to"])
        await ahead_by(1)
        return an_error(131026)

    outside.graph.tricks.append(unknown)
    await town.stage.tell(a_code(STRANGER_PHONE))
    await put_off(town, "code_requested")
    [one] = await rows(town, "code_requested")
    assert (one["reason"], asked, outside.graph.got) == ("no_room", ["5491166778899"], [])
    await ahead_by(0)
    await ended(town, "code_requested", "sent")
    assert [one["to"] for one in outside.graph.got] == ["5491166778899"]


async def test_a_code_that_is_not_delivered_in_time_goes_by_the_next_channel_once(
    town: Town, outside: Providers
) -> None:
    await set_email(town, "carla@mail.example")
    await town.stage.tell(a_login(town))
    await ended(town, "code_requested", "sent", "sent")
    context = cast("Notification", town.stage.running["notification"].context)
    await asyncio.gather(*(delivery.watch_once(context) for _ in range(3)))
    assert [one["channel"] for one in await rows(town, "code_requested")] == ["whatsapp", "email"]
    assert len(outside.post.got) == 1


async def test_a_code_that_arrived_goes_nowhere_else(town: Town, outside: Providers) -> None:
    await set_email(town, "carla@mail.example")
    await town.stage.tell(a_login(town))
    [one] = await ended(town, "code_requested", "sent")
    await called(town, a_webhook(a_status(str(one["id"]), "delivered", wamid="w")))
    [one] = await rows(town, "code_requested")
    assert (one["state"], one["fallback_at"]) == ("delivered", None)


@pytest.mark.parametrize(("template", "times"), [("code_requested", 1), ("appointment_booked", 0)])
async def test_killed_between_the_claim_and_what_became_of_it(
    town: Town, outside: Providers, template: str, times: int
) -> None:
    """The claim is there, the outcome is not: nobody knows whether the provider has it."""
    is_code = template == "code_requested"
    outside.graph.tricks.append(an_error(1, 500))
    await (town.stage.tell(a_code(STRANGER_PHONE)) if is_code else a_booking(town))
    await until(lambda: rows(town, template), lambda found: bool(found) and found[0]["attempts"] == 1)
    async with town.stage.running["notification"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE deliveries SET claim = gen_random_uuid(), claimed_until = now(), retry_at = NULL"
            " WHERE template = $1",
            (template,),
        )
    await ended(town, template, "sent" if is_code else "unknown_outcome")
    assert len(outside.graph.got) == times


async def test_too_fast_rests_the_channel_for_news_and_codes_go_on(town: Town, outside: Providers) -> None:
    outside.graph.tricks.append(an_error(130429, 429, Retry_After="40"))
    await a_booking(town)
    await until(
        lambda: rows(town, "appointment_booked"),
        lambda found: bool(found) and found[0]["retry_at"] is not None,
    )
    await town.stage.tell(a_code(STRANGER_PHONE))
    await ended(town, "code_requested", "sent")
    assert (await rows(town, "appointment_booked"))[0]["state"] == "queued"


async def test_an_account_that_is_stopped_sends_what_it_can_elsewhere(town: Town, outside: Providers) -> None:
    await set_email(town, "carla@mail.example")
    outside.graph.tricks.append(an_error(190, 401))
    await a_booking(town)
    await ended(town, "appointment_booked", "failed", "sent")
    assert len(outside.post.got) == 1
    # The next one does not even try.
    await a_booking(town)
    await ended(town, "appointment_booked", "failed", "sent", "failed", "sent")
    assert outside.graph.got == []


async def test_a_message_of_ours_that_is_wrong_is_not_pressed_on_anybody(
    town: Town, outside: Providers
) -> None:
    outside.graph.tricks.append(an_error(132001, 404))
    await a_booking(town)
    [one] = await ended(town, "appointment_booked", "failed")
    assert (one["reason"], one["attempts"]) == ("whatsapp_132001", 1)


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("again", [1, 2, 131000, 131056, 4, 80007, 130429, 131048]),
        ("elsewhere", [131026, 131062]),
        ("refused", [100, 131008, 131047, 132000, 132001, 132015, 999_999]),
        ("stopped", [0, 10, 190, 368, 131031, 131042]),
    ],
)
async def test_every_error_number_has_its_meaning(kind: str, codes: list[int]) -> None:
    assert {outcome_of(code, status=400).kind for code in codes} == {kind}


async def test_each_person_has_a_pace_that_all_copies_share(town: Town) -> None:
    db = town.stage.running["notification"].host.db
    async with db.transaction() as tx:
        await addresses.pause(tx, "whatsapp", rest=timedelta(hours=1), reason="so that only we claim")
    await a_booking(town)
    await a_booking(town)
    await ended(town, "appointment_booked", "queued", "queued")
    taken: list[int] = []

    async def claim() -> None:
        async with db.transaction() as tx:
            now = real_now()
            waiting = await handing.waiting(tx, "news", ["whatsapp"], limit=10, read_at=now, apart_s=3600)
            taken.append(len(await handing.claim(tx, waiting, lease_s=60)))

    await claim()
    await claim()
    # They were welcomed a moment ago: for an hour nothing more.
    assert taken == [0, 0]
    async with db.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE deliveries SET handed_at = now() - interval '1 day'")
    await claim()
    await claim()
    assert taken == [0, 0, 1, 0]


async def test_what_has_waited_until_quiet_hours_begin_waits_for_their_end_on_every_channel(
    town: Town,
) -> None:
    db, now = town.stage.running["notification"].host.db, real_now()
    async with db.transaction() as tx:
        await addresses.pause(tx, "whatsapp", rest=timedelta(hours=1), reason="so that only we claim")
    await a_booking(town)
    await ended(town, "appointment_booked", "queued")
    async with db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE deliveries SET quiet_from = $1, quiet_until = $2, handed_at = now() - interval '1 day'",
            (now + timedelta(minutes=10), now + timedelta(minutes=20)),
        )

    async def waits_at(minutes: float) -> int:
        async with db.transaction() as tx:
            read_at = now + timedelta(minutes=minutes)
            return len(await handing.waiting(tx, "news", ["whatsapp"], limit=10, read_at=read_at))

    assert [await waits_at(minutes) for minutes in (9.9, 10, 19.9, 20)] == [1, 0, 0, 1]
    async with db.transaction() as tx:
        [delivery] = await handing.waiting(tx, "news", ["whatsapp"], limit=10, read_at=now)
        assert await handing.next_way(tx, replace(delivery, ways=[["email", "x@turnos.test"]]))
        await addresses.pause(tx, "email", rest=timedelta(hours=1), reason="so that only we claim")
    async with db.transaction() as tx:
        found = await tx.connection.exec_driver_sql(
            "SELECT quiet_from, quiet_until FROM deliveries WHERE address = 'x@turnos.test'"
        )
        assert tuple(found.one()) == (now + timedelta(minutes=10), now + timedelta(minutes=20))
