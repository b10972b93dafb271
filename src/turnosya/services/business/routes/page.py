"""The page of a business: for people without the app, search engines, and whoever gets a link to it."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import HTMLResponse

from turnosya.runtime import link_pages
from turnosya.runtime.http import CallerLanguage, router
from turnosya.runtime.messages import NotFound
from turnosya.runtime.problems import Language
from turnosya.services.business import page
from turnosya.services.business.page_words import NOT_THERE, NOT_THERE_TEXT
from turnosya.services.business.routes.forms import Here

routes = router("/b", tags=["pages"])

_STYLE = files("turnosya.services.business").joinpath("pages", "business.css").read_text("utf-8")
# As jinja2 includes it: without the last line end.
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.removesuffix("\n").encode()).digest()).decode()
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    # Free times change; of a page that is shared widely a minute's copy is good enough.
    "Cache-Control": "public, max-age=60",
    "Vary": "Accept-Language",
}
_HTML: Mapping[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}


@routes.get(
    "/{slug}",
    response_class=HTMLResponse,
    responses={404: {"description": "A page that says so", **_HTML}},
)
async def show(
    here: Here, slug: str, language: CallerLanguage, lang: Annotated[Language | None, Query()] = None
) -> Response:
    """The page of a business, by the slug of its profile, in the caller's language or in `lang`."""
    chosen = lang or language
    try:
        shown = await page.page(here, slug, chosen)
    except NotFound:
        return link_pages.page(chosen, NOT_THERE, NOT_THERE_TEXT, status=404)
    return HTMLResponse(shown, headers={**_HEADERS, "Content-Language": chosen})
