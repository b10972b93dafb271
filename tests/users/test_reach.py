"""How people want to be told, and their devices."""

import base64
import hashlib
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.users.town import OTHER_PHONE, Town
from turnosya.contracts.auth import SessionsClosed, SessionsEnded
from turnosya.contracts.users import DropDevice, GetReach, NotificationSettings
from turnosya.runtime.ids import new_id
from turnosya.services.users import reach

AT = datetime(2026, 11, 1, tzinfo=UTC)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = "/v1/users/me/notification-settings"
DEFAULTS = {
    "push": True,
    "email": True,
    "whatsapp_important": False,
    "reminder_minutes_before": [1440, 120],
    "quiet_hours": None,
}
ENDPOINT = "https://push.example/send/abc"
SUBSCRIPTION = {"endpoint": ENDPOINT, "expirationTime": None, "keys": {"p256dh": "BNc", "auth": "tBH"}}
ENDPOINT_TOKEN = base64.urlsafe_b64encode(hashlib.sha256(ENDPOINT.encode()).digest()).rstrip(b"=").decode()


async def test_who_never_chose_has_the_defaults_and_a_choice_replaces_all_of_them(town: Town) -> None:
    headers = town.callers.headers(await town.a_person())
    assert (await town.http.get(SETTINGS, headers=headers)).json() == DEFAULTS
    chosen = {
        "push": False,
        "whatsapp_important": True,
        "reminder_minutes_before": [60, 2880, 60],
        "quiet_hours": {"start": "22:00", "end": "07:30"},
    }
    shown = {**DEFAULTS, **chosen, "reminder_minutes_before": [2880, 60]}
    answer = await town.http.put(SETTINGS, json=chosen, headers=headers)
    assert (answer.status_code, answer.json()) == (200, shown)
    assert (await town.http.get(SETTINGS, headers=headers)).json() == shown
    assert (await town.http.put(SETTINGS, json={}, headers=headers)).json() == DEFAULTS


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"push": 1}, "push"),
        ({"reminder_minutes_before": [0]}, "reminder_minutes_before"),
        ({"reminder_minutes_before": [1.5]}, "reminder_minutes_before"),
        ({"reminder_minutes_before": [43_201]}, "reminder_minutes_before"),
        ({"reminder_minutes_before": [1, 2, 3, 4, 5, 6]}, "reminder_minutes_before"),
        ({"quiet_hours": {"start": "22:00"}}, "quiet_hours"),
        ({"quiet_hours": {"start": "24:00", "end": "07:00"}}, "quiet_hours"),
        ({"quiet_hours": {"start": "07:00", "end": "07:00"}}, "quiet_hours"),
        ({"sms": True}, "sms"),
    ],
)
async def test_a_wrong_choice_is_refused_by_name(town: Town, body: dict[str, object], field: str) -> None:
    headers = town.callers.headers(await town.a_person())
    answer = await town.http.put(SETTINGS, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert {error["field"].split(".")[0] for error in answer.json()["errors"]} == {field}
    assert (await town.http.get(SETTINGS, headers=headers)).json() == DEFAULTS


async def test_others_ask_how_people_are_told(town: Town) -> None:
    ana, beto = await town.a_person(), await town.a_person(OTHER_PHONE)
    body = {"push": False}
    assert (await town.http.put(SETTINGS, json=body, headers=town.callers.headers(ana))).status_code == 200
    path, subscribed = "/v1/users/me/devices/", {"platform": "webpush", "subscription": SUBSCRIPTION}
    headers = town.callers.headers(ana)
    for token, device in (("fcm:one", {"platform": "fcm"}), (ENDPOINT_TOKEN, subscribed)):
        answer = await town.http.put(path + token, json=device, headers=headers)
        assert (answer.status_code, answer.content) == (204, b""), answer.text
    found = {
        one.user_id: one for one in (await town.stage.bus.call(GetReach(ids=[ana, beto, new_id()]))).items
    }
    assert found.keys() == {ana, beto}
    assert found[ana].settings == NotificationSettings(push=False)
    assert found[beto].settings == NotificationSettings()
    assert [(one.token, one.platform) for one in found[ana].devices] == [
        (ENDPOINT_TOKEN, "webpush"),
        ("fcm:one", "fcm"),
    ]
    assert found[ana].devices[0].subscription == {"endpoint": ENDPOINT, "keys": SUBSCRIPTION["keys"]}


@pytest.mark.parametrize(
    ("token", "body"),
    [
        ("x", {"platform": "apns"}),
        ("x", {"platform": "fcm", "subscription": SUBSCRIPTION}),
        (ENDPOINT_TOKEN, {"platform": "webpush"}),
        ("x", {"platform": "webpush", "subscription": SUBSCRIPTION}),
        (ENDPOINT_TOKEN, {"platform": "webpush", "subscription": {**SUBSCRIPTION, "endpoint": "http://a/b"}}),
        (ENDPOINT_TOKEN, {"platform": "webpush", "subscription": {"endpoint": ENDPOINT, "keys": {}}}),
    ],
)
async def test_a_device_that_no_message_could_reach_is_refused(
    town: Town, token: str, body: dict[str, object]
) -> None:
    ana = await town.a_person()
    path = f"/v1/users/me/devices/{token}"
    answer = await town.http.put(path, json=body, headers=town.callers.headers(ana))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert (await town.stage.bus.call(GetReach(ids=[ana]))).items[0].devices == []


async def test_a_device_is_of_who_used_it_last_and_goes_when_either_side_says_so(town: Town) -> None:
    ana, beto = await town.a_person(), await town.a_person(OTHER_PHONE)

    async def devices() -> list[list[str]]:
        reaches = (await town.stage.bus.call(GetReach(ids=[ana, beto]))).items
        by_person = {one.user_id: [device.token for device in one.devices] for one in reaches}
        return [by_person[ana], by_person[beto]]

    async def put(user_id: object, token: str) -> None:
        headers = town.callers.headers(ana if user_id == ana else beto)
        path, body = f"/v1/users/me/devices/{token}", {"platform": "fcm"}
        assert (await town.http.put(path, json=body, headers=headers)).status_code == 204

    await put(ana, "one")
    await put(beto, "one")
    assert await devices() == [[], ["one"]]
    await put(beto, "two")
    path = "/v1/users/me/devices/two"
    assert (await town.http.delete(path, headers=town.callers.headers(ana))).status_code == 204
    assert await devices() == [[], ["two", "one"]]
    for _ in range(2):
        assert (await town.http.delete(path, headers=town.callers.headers(beto))).status_code == 204
        await town.stage.bus.call(DropDevice(token="one"))
    assert await devices() == [[], []]


async def test_a_client_that_makes_a_token_at_each_start_does_not_fill_the_table(town: Town) -> None:
    ana = await town.a_person()
    for number in range(reach.DEVICES + 3):
        path, body = f"/v1/users/me/devices/t{number}", {"platform": "fcm"}
        await town.http.put(path, json=body, headers=town.callers.headers(ana))
    devices = (await town.stage.bus.call(GetReach(ids=[ana]))).items[0].devices
    assert [one.token for one in devices] == [f"t{n}" for n in range(reach.DEVICES + 2, 2, -1)]


async def tokens_of(town: Town, user_id: UUID) -> list[str]:
    reaches = await town.stage.bus.call(GetReach(ids=[user_id]))
    return sorted(device.token for device in reaches.items[0].devices)


async def test_a_device_gets_no_more_messages_when_the_session_it_was_added_in_ends(town: Town) -> None:
    ana = await town.a_person()
    lost, kept, stolen, moved = new_id(), new_id(), new_id(), new_id()
    for session_id, token in ((lost, "lost"), (kept, "kept"), (stolen, "stolen"), (moved, "moved")):
        headers = town.callers.headers(ana, session_id=session_id)
        answer = await town.http.put(
            f"/v1/users/me/devices/{token}", json={"platform": "fcm"}, headers=headers
        )
        assert answer.status_code == 204
    # Signed in anew on the same telephone: it is of the session in which it was seen last.
    headers = town.callers.headers(ana, session_id=kept)
    await town.http.put("/v1/users/me/devices/moved", json={"platform": "fcm"}, headers=headers)
    closed = SessionsClosed(user_id=ana, session_ids=[lost])
    ended = SessionsEnded(user_id=ana, session_ids=[stolen, moved], reason="reused", at=AT)
    of_another = SessionsClosed(user_id=new_id(), session_ids=[kept])
    for event in (closed, ended, of_another):
        await reach.sessions_over(town.users, event)
    assert await tokens_of(town, ana) == ["kept", "moved"]
