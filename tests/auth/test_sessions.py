"""Sessions: what a person sees of theirs, how they end, and how many there may be."""

from typing import Literal
from uuid import UUID

import pytest

from tests.auth.world import DAY, MINUTE, SECOND, World
from turnosya.contracts.auth import (
    AccessChanged,
    EndSessions,
    OtpInvalid,
    SessionsClosed,
    SessionsEnded,
    SetRoles,
    SignedIn,
)
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound
from turnosya.services.auth import access, not_me, sessions
from turnosya.services.auth.not_me import Doubted
from turnosya.services.auth.sessions import RefreshTokenInvalid
from turnosya.services.auth.store import ACCESS_EVENTS, EVENTS


async def devices(world: World, user_id: UUID) -> list[str | None]:
    return [session.device_name for session in await sessions.sessions_of(world.auth, user_id)]


async def test_the_person_is_told_of_a_new_device(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in(device="Teléfono de Ana ☎")
    [event] = await world.told(SignedIn)
    assert (event.user_id, event.session_id) == (person.id, tokens.session_id)
    assert event.device_name == "Teléfono de Ana ☎"
    [session] = await sessions.sessions_of(world.auth, person.id)
    assert (session.id, session.device_name) == (tokens.session_id, "Teléfono de Ana ☎")


async def test_last_use_moves_and_creation_stays(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    world.now.pass_(15 * MINUTE)
    await world.refresh(tokens)
    [session] = await sessions.sessions_of(world.auth, person.id)
    assert (session.last_used_at - session.created_at).total_seconds() == 900


async def test_the_eleventh_session_ends_the_oldest_and_the_person_is_told(world: World) -> None:
    person = world.people.person()
    opened = [await world.signed_in(device=f"d{number}") for number in range(11)]
    assert await devices(world, person.id) == [f"d{number}" for number in range(10, 0, -1)]
    [ended] = await world.told(SessionsEnded)
    assert (ended.reason, ended.session_ids) == ("too_many", [opened[0].session_id])
    assert opened[10].change is not None
    assert opened[10].change.ended_session_ids == [opened[0].session_id]
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(opened[0])
    await world.refresh(opened[1])


async def test_a_session_that_was_not_used_for_30_days_makes_place_first(world: World) -> None:
    person = world.people.person()
    first = await world.signed_in(device="kept in use")
    await world.signed_in(device="forgotten")
    for _ in range(2):
        world.now.pass_(16 * DAY)
        first = await world.refresh(first)
    for number in range(9):
        await world.signed_in(device=f"d{number}")
    assert await world.told(SessionsEnded) == []
    assert "kept in use" in await devices(world, person.id)
    assert "forgotten" not in await devices(world, person.id)


async def test_one_session_ends_and_the_others_go_on(world: World) -> None:
    person = world.people.person()
    here, there = await world.signed_in(), await world.signed_in()
    change = await sessions.end_session(world.auth, person.id, there.session_id)
    assert (change.ended_session_ids, change.version) == ([there.session_id], None)
    await world.refresh(here)
    with pytest.raises(NotFound):
        await sessions.end_session(world.auth, person.id, there.session_id)


async def test_nobody_ends_another_persons_session(world: World) -> None:
    world.people.person()
    tokens = await world.signed_in()
    with pytest.raises(NotFound):
        await sessions.end_session(world.auth, new_id(), tokens.session_id)
    await world.refresh(tokens)


async def test_all_sessions_end_with_every_token_there_is(world: World) -> None:
    person = world.people.person()
    opened = [await world.signed_in() for _ in range(3)]
    change = await sessions.end_all_sessions(world.auth, person.id)
    assert set(change.ended_session_ids) == {tokens.session_id for tokens in opened}
    assert change.version is not None
    assert change.version > (await world.caller(opened[0])).uv
    assert await devices(world, person.id) == []
    assert (await world.caller(await world.signed_in())).uv == change.version


async def test_a_changed_password_leaves_the_one_session_and_its_token(world: World) -> None:
    person = world.people.person()
    here, there = await world.signed_in(), await world.signed_in()
    request = EndSessions(
        user_id=person.id, keep_session_id=here.session_id, reason="password_changed", key="k"
    )
    first = await access.end_sessions(world.auth, request)
    assert (first.ended_session_ids, first.version) == ([there.session_id], None)
    await world.refresh(here)
    later = await world.signed_in()
    again = await access.end_sessions(world.auth, request)
    assert again.ended_session_ids == first.ended_session_ids
    await world.refresh(later)
    [ended] = await world.told(SessionsEnded)
    assert (ended.reason, ended.session_ids) == ("password_changed", [there.session_id])


@pytest.mark.parametrize("reason", ["password_changed", "phone_changed", "erased"])
async def test_a_log_in_that_was_begun_before_ends_with_the_sessions(
    world: World, reason: Literal["password_changed", "phone_changed", "erased"]
) -> None:
    person = world.people.person()
    own = await world.signed_in()
    begun = await world.log_in()
    code = await world.code_of(begun)
    world.now.pass_(SECOND)
    keep = own.session_id if reason == "password_changed" else None
    request = EndSessions(user_id=person.id, keep_session_id=keep, reason=reason, key="k")
    await access.end_sessions(world.auth, request)
    again = await world.log_in()
    assert again.challenge_id != begun.challenge_id
    for challenge in (begun, again):
        with pytest.raises(OtpInvalid):
            await sessions.sign_in(world.auth, challenge.challenge_id, code=code, device_name=None)
    code = await world.code_of(again)
    tokens = await sessions.sign_in(world.auth, again.challenge_id, code=code, device_name=None)
    assert tokens.user_id == person.id


async def test_sessions_that_their_owner_ends_are_told_so_that_their_devices_are_forgotten(
    world: World,
) -> None:
    person = world.people.person()
    first, second, third, fourth = [await world.signed_in() for _ in range(4)]
    await sessions.log_out(world.auth, person.id, first.session_id)
    await sessions.end_session(world.auth, person.id, second.session_id)
    with pytest.raises(NotFound):
        await sessions.end_session(world.auth, person.id, second.session_id)
    await sessions.end_all_sessions(world.auth, person.id)
    fifth = await world.signed_in()
    await not_me.end_all(world.auth, Doubted(person.id, fifth.session_id))
    assert [(one.user_id, one.session_ids) for one in await world.told(SessionsClosed)] == [
        (person.id, [first.session_id]),
        (person.id, [second.session_id]),
        (person.id, [third.session_id, fourth.session_id]),
        (person.id, [fifth.session_id]),
    ]
    # Nobody is written to for what they did themselves.
    assert await world.told(SessionsEnded) == []


async def test_a_password_that_was_right_a_moment_before_all_sessions_ended_opens_nothing(
    world: World,
) -> None:
    person = world.people.person()

    async def all_sessions_end() -> None:
        world.now.pass_(SECOND)
        request = EndSessions(user_id=person.id, reason="password_changed", key="k")
        await access.end_sessions(world.auth, request)
        world.now.pass_(SECOND)

    world.people.after_check = all_sessions_end
    begun = await world.log_in()
    world.people.after_check = None
    with pytest.raises(OtpInvalid):
        await sessions.sign_in(
            world.auth, begun.challenge_id, code=await world.code_of(begun), device_name=None
        )
    again = await world.log_in()
    assert again.challenge_id != begun.challenge_id
    code = await world.code_of(again)
    tokens = await sessions.sign_in(world.auth, again.challenge_id, code=code, device_name=None)
    assert tokens.user_id == person.id


async def test_a_code_that_was_sent_before_opens_nothing_even_without_another_log_in(world: World) -> None:
    person = world.people.person()
    begun = await world.log_in()
    code = await world.code_of(begun)
    world.now.pass_(1)
    request = EndSessions(user_id=person.id, reason="password_changed", key="k")
    await access.end_sessions(world.auth, request)
    with pytest.raises(OtpInvalid):
        await sessions.sign_in(world.auth, begun.challenge_id, code=code, device_name=None)


async def test_roles_change_in_the_next_token_and_end_the_present_ones(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    request = SetRoles(user_id=person.id, roles=["admin"], key="k1")
    change = await access.set_roles(world.auth, request)
    assert change.version is not None
    assert change.version > (await world.caller(tokens)).uv
    caller = await world.caller(await world.refresh(tokens))
    assert (caller.roles, caller.uv) == (("admin",), change.version)
    await access.set_roles(world.auth, SetRoles(user_id=person.id, roles=[], key="k2"))
    # The first order again, late: it has been carried out.
    assert (await access.set_roles(world.auth, request)).version == change.version
    assert (await world.caller(await world.signed_in())).roles == ()


async def test_a_change_of_roles_wins_over_a_password_checked_before_it(world: World) -> None:
    person = world.people.person(roles=["admin"])
    sent = await world.log_in()
    await access.set_roles(world.auth, SetRoles(user_id=person.id, roles=[], key="k"))
    tokens = await sessions.sign_in(
        world.auth, sent.challenge_id, code=await world.code_of(sent), device_name=None
    )
    assert (await world.caller(tokens)).roles == ()


async def test_gateways_hear_of_every_end(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    await sessions.end_session(world.auth, person.id, tokens.session_id)
    [change] = await world.told(AccessChanged)
    assert (change.user_id, change.ended_session_ids) == (person.id, [tokens.session_id])


async def test_logging_out_ends_a_token_even_if_the_store_forgot_its_session(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    await world.lose_everything()
    with pytest.raises(NotFound):
        await sessions.end_session(world.auth, person.id, tokens.session_id)
    change = await sessions.log_out(world.auth, person.id, tokens.session_id)
    assert change.ended_session_ids == [tokens.session_id]
    assert (await access.snapshot(world.auth)).ended_session_ids == [tokens.session_id]
    assert [told.ended_session_ids for told in await world.told(AccessChanged)] == [[tokens.session_id]]


async def test_of_an_erased_person_no_word_is_left(world: World) -> None:
    person = world.people.person()
    await world.signed_in(device="Teléfono de Ana 1")
    world.now.pass_(31 * DAY)
    for number in range(11):
        await world.signed_in(device=f"Teléfono de Ana {number}")
    await access.end_sessions(world.auth, EndSessions(user_id=person.id, reason="erased", key="k"))
    await world.redis.delete(EVENTS, ACCESS_EVENTS)  # as the relay does
    assert b"Ana" not in await world.everything_stored()
