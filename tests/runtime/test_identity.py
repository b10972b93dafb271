"""What an access token must be to be believed, and what is refused however it is dressed up."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from turnosya.runtime import identity
from turnosya.runtime.identity import Caller, TokenExpired, TokenInvalid, TokenVerifier
from turnosya.runtime.messages import Unavailable

NOW = 1_800_000_000
USER = "019a0000-0000-7000-8000-000000000001"
SESSION = "019a0000-0000-7000-8000-000000000002"
JTI = "019a0000-0000-7000-8000-000000000003"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**changes: object) -> dict[str, object]:
    good: dict[str, object] = {
        "iss": "turnosya",
        "aud": "turnosya-api",
        "sub": USER,
        "sid": SESSION,
        "jti": JTI,
        "uv": 3,
        "roles": ["admin"],
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 900,
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


class Issuer:
    """A private key, its published form, and tokens of any shape signed with it."""

    def __init__(self, kid: str = "k1") -> None:
        self.kid = kid
        self.key = Ed25519PrivateKey.generate()

    @property
    def jwk(self) -> dict[str, str]:
        public = self.key.public_key().public_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public), "kid": self.kid}

    def token(self, payload: object = None, **header: object) -> str:
        good: dict[str, object] = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid}
        kept = {name: value for name, value in (good | header).items() if value is not ...}
        return self.signed(json.dumps(kept), json.dumps(claims() if payload is None else payload))

    def signed(self, header: str, payload: str) -> str:
        signing_input = f"{b64(header.encode())}.{b64(payload.encode())}"
        return f"{signing_input}.{b64(self.key.sign(signing_input.encode()))}"


class World:
    """A verifier whose time and published keys the test moves."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.issuer = Issuer()
        self.published: list[Mapping[str, str]] = [self.issuer.jwk]
        self.away = False
        self.fetches = 0
        self.verifier = TokenVerifier(self.fetch, now=lambda: self.now, monotonic=lambda: self.now)

    async def fetch(self) -> Sequence[Mapping[str, str]]:
        self.fetches += 1
        if self.away:
            raise Unavailable
        return self.published

    async def verify(self, token: str) -> Caller:
        return await self.verifier.verify(token)


async def test_a_good_token_says_who_is_calling() -> None:
    world = World()
    token = world.issuer.token()
    caller = await world.verify(token)
    assert (caller.user_id, caller.session_id, caller.jti) == (
        UUID(USER),
        UUID(SESSION),
        UUID(JTI),
    )
    assert (caller.uv, caller.roles, caller.is_admin) == (3, ("admin",), True)
    assert caller.expires_at.timestamp() == NOW + 900
    assert caller.token == token
    assert token not in repr(caller)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in claims()),
        *({name: None} for name in claims()),
        {"iss": "other"},
        {"iss": ["turnosya"]},
        {"aud": ["turnosya-api"]},
        {"aud": ["turnosya-api", "other"]},
        {"aud": "other"},
        {"sub": "me"},
        {"sub": USER.upper()},
        {"sub": USER.replace("-", "")},
        {"sub": 7},
        {"sid": ""},
        {"jti": [JTI]},
        {"uv": "3"},
        {"uv": 3.0},
        {"uv": True},
        {"uv": -1},
        {"roles": "admin"},
        {"roles": [7]},
        {"roles": [["admin"]]},
        {"roles": ["ad min"]},
        {"roles": {"admin": True}},
        {"exp": NOW + 901},
        {"exp": NOW + 10 * 365 * 86_400},
        {"exp": 10**400},
        {"exp": -(10**400)},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": str(NOW + 900)},
        {"exp": NOW + 899.5},
        {"exp": True},
        {"iat": NOW + 31, "exp": NOW + 900},
        {"nbf": NOW + 31},
        {"nbf": NOW + 900},
        {"iat": NOW + 900, "exp": NOW + 900},
        {"iat": NOW + 901, "exp": NOW + 900},
    ],
    ids=str,
)
async def test_a_rightly_signed_token_with_a_wrong_claim_is_refused(
    changes: dict[str, object],
) -> None:
    world = World()
    with pytest.raises(TokenInvalid):
        await world.verify(world.issuer.token(claims(**changes)))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "Ed25519"},
        {"alg": "eddsa"},
        {"alg": ["EdDSA"]},
        {"alg": ...},
        {"typ": "JWT"},
        {"typ": "application/at+jwt"},
        {"typ": "AT+JWT"},
        {"typ": ...},
        {"kid": ...},
        {"kid": None},
        {"kid": 1},
        {"kid": "../../etc/passwd"},
        {"kid": "k" * 65},
        {"kid": ""},
        {"crit": ["exp"]},
        {"crit": []},
        {"jku": "https://evil.example/jwks.json"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "k1"}},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MII="]},
        {"cty": "JWT"},
        {"b64": False},
    ],
    ids=str,
)
async def test_a_rightly_signed_token_with_another_header_is_refused(
    header: dict[str, object],
) -> None:
    world = World()
    with pytest.raises(TokenInvalid):
        await world.verify(world.issuer.token(None, **header))


async def test_leeway_is_for_clocks_that_run_ahead_and_never_for_expiry() -> None:
    world = World()
    await world.verify(world.issuer.token(claims(iat=NOW + 30, nbf=NOW + 30)))
    await world.verify(world.issuer.token(claims(iat=NOW - 899, nbf=NOW - 899, exp=NOW + 1)))
    with pytest.raises(TokenExpired):
        await world.verify(world.issuer.token(claims(iat=NOW - 900, nbf=NOW - 900, exp=NOW)))
    with pytest.raises(TokenExpired):
        await world.verify(world.issuer.token(claims(iat=-900, nbf=-900, exp=0)))


async def test_a_signature_by_another_key_of_the_same_name_is_refused() -> None:
    world = World()
    with pytest.raises(TokenInvalid):
        await world.verify(Issuer("k1").token())


async def test_a_token_is_refused_in_any_other_spelling() -> None:
    world = World()
    token = world.issuer.token()
    header, payload, signature = token.split(".")
    # The last of 86 characters carries only 4 bits: a lenient decoder reads four of them alike.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
    spellings = [
        f"{header}.{payload}.{twin}",
        f"{header}.{payload}.{signature}==",
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature}.{signature}",
        f"{header}.{payload}.{signature}.",
        f" {token}",
        f"{token}\n",
        f"Bearer {token}",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{signature}A",
        f"{token}\u0661",
        "\ud800",
        "",
        "..",
        "a.b.c",
    ]
    for spelling in spellings:
        with pytest.raises(TokenInvalid):
            await world.verify(spelling)
    await world.verify(token)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "null",
        "7",
        "[]",
        '"x"',
        "{",
        "[" * 2000,
        json.dumps(claims())[:-1] + f', "sub": "{USER}"}}',
        "\x00",
        '{"sub": "\\ud800"}',
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_signed_payload_that_is_no_plain_object_is_refused(
    payload: str,
) -> None:
    world = World()
    header = json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
    with pytest.raises(TokenInvalid):
        await world.verify(world.issuer.signed(header, payload))


async def test_a_header_that_names_its_algorithm_twice_is_refused() -> None:
    world = World()
    header = '{"alg": "none", "alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}'
    with pytest.raises(TokenInvalid):
        await world.verify(world.issuer.signed(header, json.dumps(claims())))


async def test_a_token_over_4_kib_is_refused_unread() -> None:
    world = World()
    with pytest.raises(TokenInvalid):
        await world.verify(world.issuer.token(claims(padding="x" * 4096)))
    assert world.fetches == 0


@given(st.data())
def test_no_changed_byte_of_a_token_is_believed(data: st.DataObject) -> None:
    world = World()
    token = world.issuer.token()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(max_codepoint=255).filter(lambda character: character != token[at]))
    with pytest.raises(TokenInvalid):
        asyncio.run(world.verify(token[:at] + other + token[at + 1 :]))


@given(st.text(max_size=300))
def test_any_string_is_refused_quietly(text: str) -> None:
    with pytest.raises(TokenInvalid):
        asyncio.run(World().verify(text))


@given(
    st.dictionaries(
        st.sampled_from(sorted(claims())),
        st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers()) | st.just({"a": 1}),
        min_size=1,
    )
)
def test_claims_of_other_types_are_refused(changes: dict[str, object]) -> None:
    world = World()
    if changes.keys() == {"roles"} and changes["roles"] == []:
        return
    with pytest.raises(TokenInvalid):
        asyncio.run(world.verify(world.issuer.token(claims(**changes))))


async def test_a_remembered_token_needs_no_second_check_and_still_expires() -> None:
    world = World()
    token = world.issuer.token(claims(iat=NOW - 870, nbf=NOW - 870, exp=NOW + 30))
    assert world.verifier.recall(token) is None
    caller = await world.verify(token)
    assert world.verifier.recall(token) is caller
    world.now += 30
    with pytest.raises(TokenExpired):
        world.verifier.recall(token)


async def test_a_token_is_remembered_for_60_seconds_at_most() -> None:
    world = World()
    token = world.issuer.token()
    await world.verify(token)
    world.now += 59
    assert world.verifier.recall(token) is not None
    world.now += 1
    assert world.verifier.recall(token) is None


async def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "MEMO_SIZE", 3)
    world = World()
    tokens = [world.issuer.token(claims(uv=number)) for number in range(5)]
    for token in tokens:
        await world.verify(token)
    assert [world.verifier.recall(token) is not None for token in tokens] == [
        False,
        False,
        True,
        True,
        True,
    ]


async def test_an_unknown_key_is_asked_for_at_most_every_30_seconds() -> None:
    world = World()
    await world.verify(world.issuer.token())
    newer = Issuer("k2")
    world.published.append(newer.jwk)
    for _ in range(20):
        with pytest.raises(TokenInvalid):
            await world.verify(newer.token())
    assert world.fetches == 1
    world.now += 30
    await world.verify(newer.token())
    assert world.fetches == 2


async def test_many_callers_wait_for_one_fetch() -> None:
    world = World()
    tokens = [world.issuer.token(claims(uv=number)) for number in range(20)]
    await asyncio.gather(*(world.verify(token) for token in tokens))
    assert world.fetches == 1


async def test_with_auth_away_known_keys_go_on_and_unknown_ones_are_unavailable_not_refused() -> None:
    world = World()
    world.away = True
    for _ in range(5):
        with pytest.raises(Unavailable):
            await world.verify(world.issuer.token())
    assert world.fetches == 1
    world.away = False
    world.now += 1
    await world.verify(world.issuer.token())
    world.away = True
    world.now += 301
    token = world.issuer.token(claims(iat=NOW + 301, nbf=NOW + 301, exp=NOW + 1000))
    assert (await world.verify(token)).uv == 3
    with pytest.raises(Unavailable):
        await world.verify(Issuer("k2").token())


async def test_a_withdrawn_key_is_not_believed_after_300_seconds() -> None:
    world = World()
    await world.verify(world.issuer.token())
    world.published.clear()
    world.now += 300
    with pytest.raises(TokenInvalid):
        await world.verify(world.issuer.token(claims(iat=NOW + 300, nbf=NOW + 300, exp=NOW + 900)))


async def test_published_keys_of_another_kind_are_left_out() -> None:
    world = World()
    good = world.issuer.jwk
    world.published[:] = [
        {"kty": "oct", "k": "AAAA", "kid": "k1"},
        good | {"crv": "Ed448"},
        good | {"x": "AAAA"},
        good | {"x": "!"},
        {"kty": "OKP", "crv": "Ed25519", "x": good["x"]},
    ]
    with pytest.raises(TokenInvalid):
        await world.verify(world.issuer.token())
