"""Decisions of auth without input or output: texts of tokens, digests, masks, addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from typing import Literal

EndedWhy = Literal["reused", "too_many", "blocked", "password_changed", "phone_changed", "erased", "admin"]
"""Why sessions end for somebody's safety, as they are told."""

CODE_LIFE_MS = 300_000
ACCESS_TOKEN_S = 900

_REFRESH_TOKEN = re.compile(r"v1\.([0-9a-f]{32})\.([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})")
_IPV6_NETWORK = 64
_MASK = "••••"
_PREFIX_CUT = 4


def refresh_token(mac_key: bytes, family: str, generation: int) -> str:
    """``v1.<family>.<generation>.<MAC>``, HMAC-SHA-256 over what stands before it."""
    text = f"v1.{family}.{generation}"
    return f"{text}.{_mac(mac_key, text)}"


def read_refresh_token(mac_key: bytes, text: str) -> tuple[str, int] | None:
    """Family and generation of a token of ours; None for any other string."""
    found = _REFRESH_TOKEN.fullmatch(text)
    if found is None:
        return None
    family, generation, mac = found[1], int(found[2]), found[3]
    if not hmac.compare_digest(mac, _mac(mac_key, f"v1.{family}.{generation}")):
        return None
    return family, generation


def pseudonym(pepper: bytes, kind: str, value: str) -> str:
    """What stands for a number or address in the names of keys, so that the store holds neither."""
    return _digest(pepper, f"{kind}|{value}")[:32]


def code_digest(pepper: bytes, *, challenge_id: str, subject: str, purpose: str, code: str) -> str:
    """What is stored of a code; ``subject`` is the pseudonym of its number."""
    return _digest(pepper, f"code|{challenge_id}|{subject}|{purpose}|{code}")


def retry_digest(idempotency_key: str | None) -> str:
    """What is stored of the Idempotency-Key of a refresh; empty without one."""
    return "" if idempotency_key is None else hashlib.sha256(idempotency_key.encode()).hexdigest()


def number_prefix(number: str) -> str:
    """A canonical number without its last 4 digits: pumped numbers come in blocks."""
    return number[:-_PREFIX_CUT]


def address_block(address: str) -> str | None:
    """What one customer of a network has: an IPv4 address or an IPv6 /64; None for what is neither."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)


def is_loopback(address: str) -> bool:
    """Whether a request came from this very machine."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def masked_phone(number: str) -> str:
    """``•••• 4455``."""
    return f"{_MASK} {number[-4:]}"


def masked_email(email: str) -> str:
    """``a•••@mail.com``."""
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}•••@{domain}"


def seconds_up(milliseconds: float) -> int:
    """Whole seconds, never less than the time that is meant."""
    return max(0, -int(-milliseconds // 1000))


def _mac(key: bytes, text: str) -> str:
    digest = hmac.digest(key, text.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
