"""Decisions of the front door on raw bytes and addresses; no input, no output."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Headers = Sequence[tuple[bytes, bytes]]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Only visible ASCII may stand in a request target (RFC 9112 §3.2); "#" never reaches a server.
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
# What a service could read otherwise than we did: encoded separators, dots, percent signs and NUL,
# parameters, backslashes, empty and dot segments.
_TWO_READINGS = re.compile(rb"%(?:2[ef5]|5c|00)|[;\\]|//|/\.\.?(?:/|\Z)", re.IGNORECASE)

# A name, an IPv4 address or an IPv6 one in brackets, and a port (RFC 9112 §3.2).
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


# Some proxies write the client's port behind its address: 1.2.3.4:5678 and [2001:db8::1]:5678.
_PORT = re.compile(r"\A(?:([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?)\Z")


def is_host(value: bytes) -> bool:
    """Whether a ``Host`` can be handed on as the host it names; it may be empty."""
    return _HOST.fullmatch(value) is not None


def is_one_reading(target: bytes) -> bool:
    """Whether a request target is in origin form and can be read in one way only."""
    if _TARGET.fullmatch(target) is None:
        return False
    return _TWO_READINGS.search(target.partition(b"?")[0]) is None


def value_of(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first field called ``name`` (lower case)."""
    for field, value in headers:
        if field == name:
            return value
    return None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """``10.0.0.0/8`` or a single address each; ValueError for anything else."""
    return tuple(ip_network(text, strict=False) for text in texts)


def address(text: str) -> Address | None:
    """An IP address, IPv4-mapped IPv6 as IPv4; None for anything else."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def is_among(text: str, trusted: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    parsed = address(text) if trusted else None
    return parsed is not None and any(parsed in network for network in trusted)


def is_loopback(text: str) -> bool:
    """Whether an address is this machine itself."""
    parsed = address(text)
    return parsed is not None and parsed.is_loopback


def budget_key(text: str) -> str:
    """What an address counts as: itself, or its /64 for IPv6, where one person holds a whole /64."""
    if ":" not in text:
        return text
    parsed = address(text)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed) if parsed is not None else text


def client_behind(proxies: Sequence[Network], peer: str, forwarded_for: Sequence[bytes]) -> str:
    """Who really asks: the peer, or what a trusted proxy says about it.

    ``X-Forwarded-For`` is read from the right, for only what our own proxies wrote can be believed;
    the first address that is not one of ours is the client.
    """
    client = peer
    if not is_among(peer, proxies):
        return client
    hops = b",".join(forwarded_for).decode("latin-1").split(",")
    for hop in reversed(hops):
        parsed = address(_PORT.sub(r"\1\2", hop.strip()))
        if parsed is None:
            return client
        client = str(parsed)
        if not is_among(client, proxies):
            return client
    return client
