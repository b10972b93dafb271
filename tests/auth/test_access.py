"""Who may come in: blocked people, snapshots for gateways, and a Redis that comes back empty."""

from asyncio import gather
from uuid import UUID

import pytest

from tests.auth.world import MINUTE, SECOND, World
from turnosya.contracts.auth import Access, AccessChanged, EndSessions, GetAccess, SessionsEnded, SetRoles
from turnosya.contracts.users import AccessBlocked
from turnosya.runtime.identity import REFETCH_S
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Unavailable
from turnosya.services.auth import access, sessions


async def snapshot(world: World) -> Access:
    return await access.snapshot(world.auth, GetAccess())


async def test_blocking_ends_access_and_unblocking_lets_in_again(world: World) -> None:
    person, admin = world.people.person(), new_id()
    tokens = await world.signed_in()
    change = await access.block(world.auth, person.id, reason="abuse", by=admin)
    assert (change.blocked, change.ended_session_ids) == (True, [tokens.session_id])
    assert world.people.blocked == {person.id: "abuse"}
    assert (await snapshot(world)).blocked_user_ids == [person.id]
    [shown] = await access.blocked_users(world.auth)
    assert (shown.user_id, shown.reason, shown.blocked_at) == (person.id, "abuse", world.auth.now())
    assert [event.reason for event in await world.told(SessionsEnded)] == ["blocked"]
    unblocked = await access.unblock(world.auth, person.id, by=admin)
    assert unblocked.blocked is False
    assert (await snapshot(world)).blocked_user_ids == []
    assert world.people.blocked == {}
    await world.signed_in()


async def test_whoever_is_blocked_between_password_and_code_stays_out(world: World) -> None:
    person = world.people.person()
    sent = await world.log_in()
    await access.block(world.auth, person.id, reason="abuse", by=new_id())
    with pytest.raises(AccessBlocked):
        await sessions.sign_in(
            world.auth, sent.challenge_id, code=await world.code_of(sent), device_name=None
        )


async def test_a_snapshot_holds_what_ended_in_the_life_of_a_token(world: World) -> None:
    person = world.people.person()
    here, there = await world.signed_in(), await world.signed_in()
    await sessions.end_session(world.auth, person.id, there.session_id)
    change = await access.set_roles(world.auth, SetRoles(user_id=person.id, roles=[], key="k"))
    found = await snapshot(world)
    assert found.ended_session_ids == [there.session_id]
    assert found.versions == {person.id: change.version}
    world.now.pass_(17 * MINUTE)
    await world.refresh(here)
    found = await snapshot(world)
    assert (found.ended_session_ids, found.versions) == ([], {})


async def test_an_empty_redis_is_filled_before_anything_is_answered(world: World) -> None:
    person = world.people.person()
    bad = world.people.person("+5491166667777")
    await access.block(world.auth, bad.id, reason="abuse", by=new_id())
    before = await world.caller(await world.signed_in())
    await world.lose_everything()
    world.people.away = True
    with pytest.raises(Unavailable):
        await snapshot(world)
    with pytest.raises(Unavailable):
        await access.blocked_users(world.auth)
    with pytest.raises(Unavailable):
        await access.end_sessions(world.auth, _ended(person.id))
    world.people.away = False
    world.now.pass_(int(REFETCH_S) * SECOND)
    found = await gather(*(snapshot(world) for _ in range(10)))
    assert all(one.blocked_user_ids == [bad.id] for one in found)
    assert [one.reason for one in await access.blocked_users(world.auth)] == ["abuse"]
    after = await world.caller(await world.signed_in())
    assert after.uv > before.uv, "a version that a gateway still remembers must not end new tokens"


def _ended(user_id: UUID) -> EndSessions:
    return EndSessions(user_id=user_id, reason="admin", key="k")


async def test_a_block_during_the_filling_is_kept(world: World) -> None:
    person = world.people.person()
    await world.lose_everything()
    await gather(
        access.block(world.auth, person.id, reason="abuse", by=new_id()),
        access.load(world.copy_of_auth()),
    )
    assert (await snapshot(world)).blocked_user_ids == [person.id]


async def test_events_wait_in_redis_for_the_relay(world: World) -> None:
    person = world.people.person()
    await access.block(world.auth, person.id, reason="abuse", by=new_id())
    [event] = await world.told(AccessChanged)
    assert (event.user_id, event.blocked) == (person.id, True)


async def test_a_gateway_sees_from_a_snapshot_which_changes_are_newer(world: World) -> None:
    """Whatever the clocks of the copies say: a block that a snapshot lacks must not be forgotten."""
    person, by = world.people.person(), new_id()
    ahead, behind = world.copy_of_auth(), world.copy_of_auth()
    ahead.store.now_ms = lambda: world.now.ms + MINUTE
    behind.store.now_ms = lambda: world.now.ms - MINUTE
    older = await access.unblock(ahead, person.id, by=by)
    found = await access.snapshot(world.auth)
    newer = await access.block(behind, person.id, reason="abuse", by=by)
    assert older.at < found.at < newer.at
    assert [event.at for event in await world.told(AccessChanged)] == [older.at, newer.at]
