"""What the person who watches the tour sees: steps, calls, answers and messages."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from turnosya.tour.answers import DevMessage
from turnosya.tour.client import Exchange

# What says most about an answer, in this order; tokens and codes are not among them.
_TELLING = (
    "status",
    "name",
    "timezone",
    "phone",
    "locale",
    "channel",
    "destination",
    "expires_in",
    "duration_minutes",
    "starts_at",
    "ends_at",
    "slot_step_minutes",
    "id",
)
_SHOWN_AT_MOST = 5
_REFUSED_FROM = 400
_INDENT = " " * 9


class Screen:
    """Prints with colour and a moving line on a terminal, and plainly anywhere else."""

    def __init__(self, console: Console, *, steps: int) -> None:
        self._console = console
        self._steps = steps
        self._step = 0

    @contextmanager
    def step(self, title: str) -> Generator[None]:
        """One numbered step; a spinner turns while it runs if there is a terminal."""
        self._step += 1
        number = f"{self._step}/{self._steps}"
        self._print(f"\n[bold cyan]{number}[/]  [bold]{escape(title)}[/]")
        with self._console.status(f"[cyan]{number}[/] {escape(title)}", spinner="dots"):
            yield

    def saw(self, exchange: Exchange) -> None:
        """A call and its answer, in one line."""
        colour = "yellow" if exchange.status >= _REFUSED_FROM else "green"
        self._print(
            f"     {escape(exchange.call)} → [{colour}]{exchange.status}[/] "
            f"[dim]{exchange.took_ms:.0f} ms[/]  {escape(in_short(exchange))}"
        )

    def message(self, reader: str, message: DevMessage) -> None:
        """A message that was sent to somebody."""
        self._print(
            f"     [magenta]✉ {escape(message.channel)} to the {escape(reader)}:[/] "
            f"[bold]{escape(message.subject)}[/]"
        )
        for line in message.body.strip().splitlines():
            self._console.print(Text(f"{_INDENT}{line}".rstrip(), style="dim"), soft_wrap=True)

    def note(self, text: str) -> None:
        """Something worth knowing about the step."""
        self._print(f"     {escape(text)}")

    def well(self, text: str) -> None:
        """All went as promised."""
        self._print(f"\n[bold green]✓[/] {escape(text)}")

    def failed(self, text: str) -> None:
        """The first thing that was not as promised."""
        self._print(f"\n[bold red]✗ Not as promised:[/] {escape(text)}")

    def _print(self, markup: str) -> None:
        self._console.print(markup, soft_wrap=True, highlight=False)


def in_short(exchange: Exchange) -> str:
    """The few members of an answer that tell most."""
    if not isinstance(exchange.answer, dict):
        return ""
    answer = cast("Mapping[str, Any]", exchange.answer)
    if exchange.code is not None:
        reason = f" ({exchange.reason})" if exchange.reason else ""
        return f"{exchange.code}{reason}: {answer.get('detail')}"
    for name in ("slots", "items"):
        if isinstance(answer.get(name), list):
            return f"{len(answer[name])} {name}"
    if "access_token" in answer:
        return f"a session of {answer.get('expires_in')} s, refreshable"
    if "weekly" in answer:
        return f"{len(answer['weekly'])} windows a week"
    telling = [f"{name}={answer[name]}" for name in _TELLING if isinstance(answer.get(name), str | int)]
    return ", ".join(telling[:_SHOWN_AT_MOST])
