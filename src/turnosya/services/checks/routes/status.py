"""The page that shows everybody whether all of it lives: now, and on each of the last 90 days."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, date, timedelta
from html import escape
from typing import Annotated

from fastapi import Depends
from fastapi.responses import HTMLResponse

from turnosya.runtime.clock import real_now
from turnosya.runtime.http import CallerLanguage, context_of, router
from turnosya.runtime.messages import Say
from turnosya.services.checks import days, health, rules
from turnosya.services.checks.context import Checks
from turnosya.services.checks.rules import Health, Status
from turnosya.services.checks.store.days import Looks

Here = Annotated[Checks, Depends(context_of(Checks))]
routes = router("/status", tags=["checks"])

_WHOLE: Mapping[Status, Say] = {
    "ok": Say("Todo funciona.", "Everything works.", "Tudo funciona."),
    "degraded": Say("Una parte no funciona bien.", "A part is not well.", "Uma parte não está bem."),
    "down": Say("No está disponible.", "Not available.", "Não está disponível."),
}
_ONE: Mapping[Status, Say] = {
    "ok": Say("funciona", "works", "funciona"),
    "degraded": Say("con problemas", "not well", "com problemas"),
    "down": Say("caído", "down", "fora do ar"),
}
_DAYS = Say("Últimos 90 días", "Last 90 days", "Últimos 90 dias")
_UNKNOWN = Say(
    "Los días anteriores no se pueden leer ahora.",
    "The days before cannot be read now.",
    "Os dias anteriores não podem ser lidos agora.",
)
_SERVICE, _NOW = Say("Servicio", "Service", "Serviço"), Say("Ahora", "Now", "Agora")
# Below the first share of looks that found it up a day is shown as bad, below the second as not whole.
_BAD_PERCENT, _WHOLE_PERCENT = 99.0, 99.9
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0}"
    ".ok{color:#14532d}.degraded{color:#92400e}.down{color:#991b1b}"
    "svg{display:block;width:100%;height:1.4rem}.w{fill:#16a34a}.p{fill:#d97706}.b{fill:#dc2626}.u{fill:#d4d4d4}"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    # So that a crowd that wonders does not ask us each for itself.
    "Cache-Control": "public, max-age=10",
    "Vary": "Accept-Language",
}


@routes.get("", response_class=HTMLResponse)
async def status_page(checks: Here, language: CallerLanguage) -> HTMLResponse:
    """How each service is now and was on each of the last 90 days, as a page for people."""
    seen = await health.seen(checks)
    known = await days.known(checks)
    whole = rules.overall(seen)
    rows = "".join(_row(name, one, (known or {}).get(name, []), language) for name, one in seen.items())
    missing = f"<p>{escape(getattr(_UNKNOWN, language))}</p>" if known is None else ""
    head = "".join(f"<th>{escape(getattr(say, language))}</th>" for say in (_SERVICE, _NOW, _DAYS))
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="30">'
        f"<title>TurnosYa</title><style>{_STYLE}</style>"
        f'<h1 class="{whole}">{escape(getattr(_WHOLE[whole], language))}</h1>{missing}'
        f"<table><tr>{head}</tr>{rows}</table></html>",
        headers=dict(_HEADERS),
    )


def _row(name: str, one: Health, its_days: list[tuple[date, Looks]], language: str) -> str:
    now = escape(getattr(_ONE[one.status], language))
    return f'<tr><td>{escape(name)}</td><td class="{one.status}">{now}</td><td>{_bars(its_days)}</td></tr>'


def _bars(its_days: list[tuple[date, Looks]]) -> str:
    """A bar a day, today at the right; grey where nobody looked."""
    of, today = dict(its_days), real_now().astimezone(UTC).date()
    bars: list[str] = []
    for number in range(days.SHOWN_DAYS):
        day = today - timedelta(days=days.SHOWN_DAYS - 1 - number)
        looks = of.get(day)
        said = f"{day}" if looks is None else f"{day}: {looks.up_percent:.2f} %"
        shape = f'class="{_colour(looks)}" x="{number * 4}" width="3" height="20"'
        bars.append(f"<rect {shape}><title>{said}</title></rect>")
    return f'<svg viewBox="0 0 {days.SHOWN_DAYS * 4} 20" preserveAspectRatio="none">{"".join(bars)}</svg>'


def _colour(looks: Looks | None) -> str:
    if looks is None:
        return "u"
    if looks.up_percent < _BAD_PERCENT:
        return "b"
    return "w" if looks.up_percent >= _WHOLE_PERCENT else "p"
