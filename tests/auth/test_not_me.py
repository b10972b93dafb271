"""The link in the message about a new device, and what the audit is told of signing in."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.auth.world import DAY, MINUTE, World
from turnosya.contracts.auth import (
    NOT_ME,
    AccessChanged,
    GetHeld,
    OtpAttemptsExceeded,
    OtpInvalid,
    SecurityNoted,
    SessionsEnded,
    UseCode,
)
from turnosya.contracts.users import AccessBlocked
from turnosya.runtime.http import ACCESS_ENDED
from turnosya.runtime.ids import new_id
from turnosya.services.auth import access, otp, sessions
from turnosya.services.auth.sessions import RefreshTokenInvalid, RefreshTokenReused, Tokens

LINK = "/v1/auth/links/not-me"


def link_of(world: World, tokens: Tokens, *, purpose: tuple[str, str] = NOT_ME, days: int = 7) -> str:
    address = world.auth.links.address(
        purpose,
        f"{tokens.user_id}_{tokens.session_id}",
        expires_at=world.auth.now() + timedelta(days=days),
    )
    return LINK + "?" + address.partition("?")[2]


async def noted(world: World) -> list[tuple[str, UUID | None, UUID | None, str | None]]:
    return [(one.kind, one.subject_id, one.session_id, one.reason) for one in await world.told(SecurityNoted)]


async def test_opening_the_link_ends_nothing_and_its_button_ends_every_session(world: World) -> None:
    world.people.person()
    own, thiefs = await world.signed_in(), await world.signed_in(device="a stranger's")
    link = link_of(world, thiefs)
    async with world.http() as http:
        for _ in range(2):
            shown = await http.get(link, headers={"Accept-Language": "pt"})
            assert (shown.status_code, "<form" in shown.text, 'lang="pt"' in shown.text) == (200, True, True)
        own = await world.refresh(own)
        done = await http.post(link)
    assert (done.status_code, "<form" in done.text) == (200, False)
    change = AccessChanged.model_validate_json(done.headers[ACCESS_ENDED])
    assert set(change.ended_session_ids) == {own.session_id, thiefs.session_id}
    assert change.version is not None
    for tokens in (own, thiefs):
        with pytest.raises(RefreshTokenInvalid):
            await world.refresh(tokens)
    # Whoever holds the link did it: they need not be told.
    assert await world.told(SessionsEnded) == []
    assert (await noted(world))[-1] == ("not_me", thiefs.user_id, thiefs.session_id, None)


async def test_a_link_that_was_used_ends_nothing_that_began_since(world: World) -> None:
    world.people.person()
    thiefs = await world.signed_in()
    link = link_of(world, thiefs)
    async with world.http() as http:
        assert ACCESS_ENDED in (await http.post(link)).headers
        since = await world.signed_in()
        again = await http.post(link)
    assert (again.status_code, ACCESS_ENDED in again.headers) == (200, False)
    assert (await world.refresh(since)).session_id == since.session_id


async def test_a_link_is_of_its_purpose_its_time_and_nobody_elses_making(world: World) -> None:
    world.people.person()
    tokens = await world.signed_in()
    link = link_of(world, tokens)
    wrong = [
        link_of(world, tokens, purpose=("undo_phone_change", LINK)),
        link_of(world, tokens, days=0),
        link.replace("token=", "token=A"),
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        LINK + "?token=x",
    ]
    async with world.http() as http:
        for one in wrong:
            for answer in (await http.get(one), await http.post(one)):
                assert (answer.status_code, ACCESS_ENDED in answer.headers) == (404, False)
        assert (await http.get(LINK)).status_code == 422
        world.now.pass_(7 * DAY)
        assert (await http.post(link)).status_code == 404
    assert (await world.refresh(tokens)).session_id == tokens.session_id


async def test_the_audit_is_told_who_came_in_who_did_not_and_what_was_stolen(world: World) -> None:
    person = world.people.person()
    sent = await world.log_in()
    with pytest.raises(OtpInvalid):
        await sessions.sign_in(world.auth, sent.challenge_id, code="x", device_name=None)
    code = await world.code_of(sent)
    first = await sessions.sign_in(world.auth, sent.challenge_id, code=code, device_name=None)
    await world.refresh(first)
    with pytest.raises(RefreshTokenReused):
        await world.refresh(first)
    blocked_one = await world.signed_in()
    await access.block(world.auth, person.id, reason="spam", by=new_id())
    with pytest.raises(AccessBlocked):
        await world.refresh(blocked_one)
    own, last = first.session_id, blocked_one.session_id
    assert await noted(world) == [
        ("refused", person.id, None, "otp_invalid"),
        ("signed_in", person.id, own, None),
        ("reused", person.id, own, None),
        ("signed_in", person.id, last, None),
        ("refused", person.id, last, "access_blocked"),
    ]
    facts = await world.told(SecurityNoted)
    assert [one.actor_id for one in facts] == [None, person.id, None, person.id, None]


async def test_what_auth_holds_about_a_person_is_their_sessions(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in(device="Pixel 9")
    world.now.pass_(MINUTE)
    tokens = await world.refresh(tokens)
    held = (await sessions.held(world.auth, GetHeld(user_id=person.id))).records
    assert [(one["id"], one["device_name"]) for one in held["sessions"]] == [
        (str(tokens.session_id), "Pixel 9")
    ]
    assert (await sessions.held(world.auth, GetHeld(user_id=new_id()))).records == {"sessions": []}


async def test_wrong_codes_are_in_the_audit_but_who_tries_on_and_on_fills_none(world: World) -> None:
    owner = new_id()
    await world.ask_code("+5491122334455", purpose="password_reset")
    for number in range(20):
        wrong = UseCode(
            phone="+5491122334455", purpose="password_reset", code="x", key=str(number), user_id=owner
        )
        with pytest.raises((OtpInvalid, OtpAttemptsExceeded)):
            await otp.use_code(world.auth, wrong)
    assert await noted(world) == [("refused", owner, None, "otp_invalid")] * 5 + [
        ("refused", owner, None, "otp_exceeded")
    ]
    await world.ask_code("+5491166778899", purpose="register")
    with pytest.raises(OtpInvalid):
        await otp.use_code(
            world.auth, UseCode(phone="+5491166778899", purpose="register", code="x", key="another")
        )
    assert (await noted(world))[-1] == ("refused", None, None, "otp_invalid")
