"""A page on which two browser windows talk. Development only."""

from importlib.resources import files

from fastapi.responses import HTMLResponse

from turnosya.runtime.http import router
from turnosya.runtime.link_pages import policy_of
from turnosya.runtime.messages import NotFound
from turnosya.services.chat.routes.conversations import Here

routes = router("/dev/chat", tags=["development"])


@routes.get("", response_class=HTMLResponse, include_in_schema=False)
async def page(here: Here) -> HTMLResponse:
    """Logs in by itself, with the code that would have been sent, and speaks Socket.IO's protocol."""
    if not here.development:
        raise NotFound
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})


_PAGE = files("turnosya.services.chat").joinpath("page.html").read_text("utf-8")
_POLICY = policy_of(_PAGE)
