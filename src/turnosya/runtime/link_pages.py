"""The page behind a link in a message: opening it only shows what it would do, a button does it.

Mail programs and messengers open links by themselves to look at them: a GET must change nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse

from turnosya.runtime.links import LinkNotValid
from turnosya.runtime.messages import Say
from turnosya.runtime.problems import Language

_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}"
    "button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:.4rem;background:#14532d;color:#fff}"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    # The token stands in the address.
    "Referrer-Policy": "no-referrer",
}


def refuses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route that answers a bad link, or these too, with a page."""
    shown = {"content": {"text/html": {"schema": {"type": "string"}}}}
    texts = {404: "`link_not_valid`: a page that says so", 409: "A page that says why not"}
    return {status: {"description": texts[status], **shown} for status in (404, *statuses)}


def policy_of(page: str) -> str:
    """For a whole page of ours: only its own style and script run, whatever it shows, and it asks only us."""

    def digest(tag: str) -> str:
        found = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        content = found[1] if found else ""
        return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; style-src {digest('style')}; script-src {digest('script')}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def choices(language: Language, title: Say, text: str, actions: Mapping[str, str]) -> Response:
    """A page with a button for each label, which posts to that label's address."""
    forms = "".join(
        f'<form method="post" action="{escape(action)}"><p><button>{escape(label)}</button></p></form>'
        for label, action in actions.items()
    )
    return _html(language, getattr(title, language), text, forms, status=200)


def page(
    language: Language, title: Say, text: Say, *, button: Say | None = None, status: int = 200
) -> Response:
    """A page that says something; the button posts to the very address it was opened with."""
    form = ""
    if button is not None:
        form = f'<form method="post"><button>{escape(getattr(button, language))}</button></form>'
    return _html(language, getattr(title, language), getattr(text, language), form, status=status)


def refused(language: Language) -> Response:
    """For a link that is not ours, or whose time is over."""
    text: str = getattr(LinkNotValid.says, language)
    return _html(language, "TurnosYa", text, "", status=404)


def _html(language: Language, title: str, text: str, form: str, *, status: int) -> Response:
    body = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{form}</html>"
    )
    return HTMLResponse(body, status, headers=dict(_HEADERS))
