"""An erased account: gone here at once, told until every service has confirmed, twice in all."""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.users.town import OTHER_PHONE, PASSWORD, PHONE, Town
from turnosya.contracts import business, chat, files, notification, turnos
from turnosya.contracts.users import (
    CheckPassword,
    CredentialsInvalid,
    GetPeople,
    GetReach,
    Held,
    PersonErased,
    TellErasuresAgain,
)
from turnosya.runtime.http import ACCESS_ENDED
from turnosya.runtime.ids import new_id
from turnosya.services.users import erasure, export

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIRM = (
    business.PersonForgotten,
    chat.PersonForgotten,
    files.PersonForgotten,
    notification.PersonForgotten,
    turnos.PersonForgotten,
)


async def erase(town: Town, user_id: UUID, password: str = PASSWORD) -> httpx.Response:
    headers = town.callers.headers(user_id)
    return await town.http.request("DELETE", "/v1/users/me", json={"password": password}, headers=headers)


async def waited_for(town: Town) -> list[list[str]]:
    await town.all_is_heard()
    async with town.users.db.read() as tx:
        rows = await tx.connection.exec_driver_sql("SELECT waiting_for FROM erasures")
        return [sorted(row) for row in rows.scalars()]


async def make_old(town: Town, *, minutes: int) -> None:
    async with town.users.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE erasures SET told_at = told_at - make_interval(mins => $1),"
            " asked_at = asked_at - make_interval(mins => $1)",
            (minutes,),
        )


async def all_rows(town: Town) -> str:
    async with town.users.db.read() as tx:
        tables = await tx.connection.exec_driver_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
        found: list[str] = []
        for table in tables.scalars():
            rows = await tx.connection.exec_driver_sql(f'SELECT t::text FROM "{table}" t')  # noqa: S608 - from pg_tables
            found += rows.scalars()
    return "\n".join(found)


async def test_an_account_goes_at_once_with_all_that_hangs_on_it(town: Town) -> None:
    ana = await town.a_person(email="ana@mail.com", name="Anastasia")
    headers, key = town.callers.headers(ana), {"Idempotency-Key": "k"}
    for path, body in (
        ("notification-settings", {"push": False}),
        ("devices/fcm-of-ana", {"platform": "fcm"}),
    ):
        answer = await town.http.put(f"/v1/users/me/{path}", json=body, headers=headers)
        assert answer.status_code < 300
    await town.sign_up(key, phone=OTHER_PHONE, name="Otra")
    answer = await erase(town, ana)
    assert (answer.status_code, answer.content) == (204, b"")
    assert str(ana) in answer.headers[ACCESS_ENDED]
    assert [(one.user_id, one.reason) for one in town.auth.ended] == [(ana, "erased")]
    assert (await town.stage.bus.call(GetPeople(ids=[ana]))).people == []
    assert (await town.stage.bus.call(GetReach(ids=[ana]))).items == []
    with pytest.raises(CredentialsInvalid):
        await town.stage.bus.call(CheckPassword(phone=PHONE, password=PASSWORD))
    await town.all_is_heard()
    left = await all_rows(town)
    for word in ("Anastasia", PHONE, "ana@mail.com", "fcm-of-ana"):
        assert word not in left
    assert "Otra" in left
    town.auth.forget_codes()
    assert await town.a_person() != ana


async def test_it_is_erased_by_who_knows_the_password(town: Town) -> None:
    ana = await town.a_person()
    answer = await erase(town, ana, "another")
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_invalid")
    assert (await town.http.get("/v1/users/me", headers=town.callers.headers(ana))).status_code == 200
    assert (await waited_for(town), await town.told(PersonErased)) == ([], [])
    headers = town.callers.headers(ana)
    assert (await town.http.request("DELETE", "/v1/users/me", headers=headers)).status_code == 422
    assert (await erase(town, ana)).status_code == 204
    assert (await erase(town, ana)).status_code == 401


async def test_it_is_remembered_until_all_have_confirmed_the_second_time_too(town: Town) -> None:
    ana = await town.a_person()
    await erase(town, ana)
    assert await waited_for(town) == [["business", "chat", "files", "notification", "turnos"]]
    [first] = await town.told(PersonErased)
    await town.stage.tell(*(kind(user_id=ana, key=first.key) for kind in CONFIRM))
    # A request that was under way may have left something: they are told once more.
    assert await waited_for(town) == [[]]
    await erasure.tell_again(town.users, TellErasuresAgain())
    assert len(await town.told(PersonErased)) == 1
    await make_old(town, minutes=17)
    await erasure.tell_again(town.users, TellErasuresAgain())
    _, second = await town.told(PersonErased)
    assert (second.user_id, second.key == first.key) == (ana, False)
    # What confirms the first time again is no confirmation of the second.
    await town.stage.tell(*(kind(user_id=ana, key=first.key) for kind in CONFIRM))
    assert await waited_for(town) == [["business", "chat", "files", "notification", "turnos"]]
    await town.stage.tell(*(kind(user_id=ana, key=second.key) for kind in CONFIRM))
    assert await waited_for(town) == []
    assert len(town.auth.keys) == 2


async def test_who_does_not_confirm_is_told_again_and_again(town: Town) -> None:
    ana = await town.a_person()
    town.auth.away = True
    assert ACCESS_ENDED not in (await erase(town, ana)).headers
    town.auth.away = False
    assert await waited_for(town) == [["business", "chat", "files", "notification", "turnos"]]
    for round_ in range(3):
        await make_old(town, minutes=17)
        await erasure.tell_again(town.users, TellErasuresAgain())
        told = await town.told(PersonErased)
        assert len(told) == round_ + 2
        event: Any = business.PersonForgotten(user_id=ana, key=told[-1].key)
        await town.stage.tell(event)
        assert await waited_for(town) == [["chat", "files", "notification", "turnos"]]


async def nothing_held(_: object) -> Held:
    """What a service answers that never heard of somebody."""
    return Held(records={})


async def held_in_parts(request: chat.GetHeld) -> Held:
    """What a service answers that holds more than goes into one answer."""
    parts = {None: ("ab", "2"), "2": ("cd", "3"), "3": ("e", None)}
    letters, more_after = parts[request.after]
    return Held(records={"messages": [{"text": one} for one in letters]}, more_after=more_after)


async def test_an_export_is_whole_or_refused(town: Town) -> None:
    headers = town.callers.headers(await town.a_person(email="ana@mail.com"))
    refused = await town.http.get("/v1/users/me/export", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    for kind in export.ASKED.values():
        await town.stage.bus.answer(kind, held_in_parts if kind is chat.GetHeld else nothing_held)
    await town.http.put("/v1/users/me/devices/one", json={"platform": "fcm"}, headers=headers)
    answer = await town.http.get("/v1/users/me/export", headers=headers)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    whole = answer.json()
    assert datetime.fromisoformat(whole["exported_at"]).tzinfo is not None
    assert whole["services"].keys() == {
        "users",
        "auth",
        "business",
        "turnos",
        "notification",
        "chat",
        "files",
        "checks",
    }
    own = whole["services"]["users"]
    assert [one["phone"] for one in own["profile"]] == [PHONE]
    assert [one["token"] for one in own["devices"]] == ["one"]
    assert [one["email"] for one in own["email_confirmations"]] == ["ana@mail.com"]
    assert "password" not in answer.text
    assert "".join(one["text"] for one in whole["services"]["chat"]["messages"]) == "abcde"
    stranger = town.callers.headers(new_id())
    assert (await town.http.get("/v1/users/me/export", headers=stranger)).status_code == 404
