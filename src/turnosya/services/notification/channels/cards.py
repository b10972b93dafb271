"""What a push card carries: few words, and where the app opens. At most 4,096 bytes in all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnosya.services.notification.channels.outcome import Outgoing

# 4,096 less what the envelopes of either provider add (the encryption of a browser's push: 103 bytes).
_MOST_BYTES = 3_600
_TITLE_MOST = 200
# What an app opens the right page by; links that answer something stay in the app, which can sign in.
_IDS = ("appointment_id", "business_id", "conversation_id", "proposal_id", "series_id", "starts_at", "status")


def card_of(message: Outgoing) -> dict[str, Any]:
    """Title, body and data (texts only) of a card; the body is cut where all would be too large."""
    title = message.letter.subject[:_TITLE_MOST]
    ids = {name: str(message.data[name])[:100] for name in _IDS if message.data.get(name) is not None}
    body = message.letter.body
    card = {"title": title, "body": body, "data": ids}
    over = _size(card) - _MOST_BYTES
    if over > 0:
        kept = body.encode()[: max(0, len(body.encode()) - over - 3)].decode("utf-8", "ignore")
        while kept and _size({**card, "body": kept + "…"}) > _MOST_BYTES:
            # JSON writes some characters with more bytes than they have.
            kept = kept[: len(kept) * 3 // 4]
        card["body"] = kept + "…"
    return card


def _size(card: dict[str, Any]) -> int:
    return len(json.dumps(card, ensure_ascii=False).encode())
