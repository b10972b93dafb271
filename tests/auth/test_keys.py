"""Signing keys: one set for all copies, rotated without a moment in which a good token is refused."""

import base64
import binascii
import json
import re
from asyncio import gather

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.auth.world import BEGIN_MS, DAY, MINUTE, SECOND, World
from turnosya.runtime.identity import TokenVerifier
from turnosya.services.auth import keys
from turnosya.services.auth.context import Auth
from turnosya.services.auth.sessions import Tokens


async def published(auth: Auth) -> list[str]:
    return [key["kid"] for key in (await keys.signing_keys(auth)).keys]


async def signer(auth: Auth) -> str:
    return kid_of(await keys.sign(auth, {"sub": "x"}))


def kid_of(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


async def test_two_copies_make_one_first_key_and_use_it_at_once(world: World) -> None:
    other = world.copy_of_auth()
    found = await gather(*(published(auth) for auth in (world.auth, other) * 10))
    assert {tuple(one) for one in found} == {tuple(found[0])}
    assert [await signer(world.auth)] == found[0] == [await signer(other)]


async def test_the_next_key_is_published_20_minutes_before_and_the_former_kept_30_after(world: World) -> None:
    [first] = await published(world.auth)
    world.now.ms = BEGIN_MS + 30 * DAY - 20 * MINUTE - 1
    assert await published(world.auth) == [first]
    world.now.pass_(1)
    both = await published(world.auth)
    assert len(both) == 2
    assert await signer(world.auth) == first
    world.now.ms = BEGIN_MS + 30 * DAY - 1
    assert await signer(world.auth) == first
    world.now.pass_(1)
    second = await signer(world.auth)
    assert both == [first, second]
    world.now.pass_(30 * MINUTE - 1)
    assert await published(world.auth) == both
    world.now.pass_(1)
    assert await published(world.auth) == [second]


async def test_after_a_long_absence_the_next_key_is_still_published_before_its_use(world: World) -> None:
    [first] = await published(world.auth)
    world.now.pass_(100 * DAY)
    assert len(await published(world.auth)) == 2
    assert await signer(world.auth) == first
    world.now.pass_(20 * MINUTE)
    assert await signer(world.auth) != first


async def test_a_copy_whose_clock_is_behind_the_first_keys_signs_with_it(world: World) -> None:
    [first] = await published(world.auth)
    world.now.pass_(-2000)
    assert await signer(world.copy_of_auth()) == first


async def test_no_good_token_is_refused_over_two_rotations_while_people_refresh(world: World) -> None:
    world.people.person()
    tokens = await world.signed_in()
    # Gateways and services meet the change with keys fetched at different times before it.
    verifiers = {every: world.new_verifier() for every in (1, 4, 7)}
    used: list[str] = []
    for rotation in (1, 2):
        world.now.ms = BEGIN_MS + rotation * 30 * DAY - 25 * MINUTE
        good: list[Tokens] = []
        for step in range(60):
            world.now.pass_(MINUTE + SECOND)
            tokens = await world.refresh(tokens)
            used.append(kid_of(tokens.access_token))
            good = [*good, tokens][-14:]
            for every, verifier in verifiers.items():
                if step % every == 0:
                    for one in good:
                        assert (await verifier.verify(one.access_token)).session_id == tokens.session_id
    assert len(set(used)) == 3


async def test_private_keys_lie_encrypted(world: World) -> None:
    world.people.person()
    await world.signed_in()
    kid = await signer(world.auth)
    stored = await world.everything_stored()
    secrets = Fernet(world.settings.key_encryption_key.get_secret_value())
    [found] = re.findall(rb'"private": ?"(gAAAA[^"]+)"', stored)
    private = secrets.decrypt(found)
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    [shown] = [key["x"] for key in (await keys.signing_keys(world.auth)).keys if key["kid"] == kid]
    assert shown.encode() == base64.urlsafe_b64encode(public).rstrip(b"=")
    encodings = (base64.b64encode, base64.urlsafe_b64encode, base64.b16encode, binascii.hexlify)
    assert private not in stored
    assert all(encode(private).rstrip(b"=") not in stored for encode in encodings)


async def test_a_token_is_good_for_a_verifier_of_its_own(world: World) -> None:
    person = world.people.person(roles=["admin"])
    tokens = await world.signed_in()

    async def fetch() -> list[dict[str, str]]:
        return (await keys.signing_keys(world.copy_of_auth())).keys

    verifier = TokenVerifier(fetch, now=lambda: world.now.ms / 1000)
    caller = await verifier.verify(tokens.access_token)
    assert (caller.user_id, caller.session_id, caller.is_admin) == (person.id, tokens.session_id, True)
