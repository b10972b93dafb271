"""``turnosya demo-data``: fills the town and says how to be somebody in it."""

from __future__ import annotations

from time import perf_counter

from rich.console import Console

from turnosya.app import environment, targeted_beside
from turnosya.demo_data import town
from turnosya.demo_data.filling import fill_town
from turnosya.runtime.settings import Environment, SettingsWrong
from turnosya.runtime.telemetry import set_up_logging


async def run_demo_data() -> None:
    """Fills the system of these settings, whether or not it is being served; in development only."""
    if environment() is not Environment.DEVELOPMENT:
        raise SettingsWrong(
            "demo-data makes people whose password everybody knows, so it fills no production system:"
            " set TURNOSYA_ENV=development if this is none."
        )
    began = perf_counter()
    console = Console(highlight=False)
    set_up_logging("warning")
    async with targeted_beside() as target:
        with console.status("People, businesses, their pictures, a month of turnos…"):
            filled = await fill_town(target)
    took_s = perf_counter() - began
    console.print(
        f"[bold]{filled.businesses} businesses[/], {filled.people} people, {filled.turnos} new turnos,"
        f" {filled.pictures} new pictures"
        f" [dim]({took_s:.1f} s)[/]"
    )
    console.print(f"  an owner   {filled.owner_phone}")
    console.print(f"  a client   {filled.client_phone}")
    console.print(f"  password   {town.PASSWORD} (of all of them; the code comes to /dev)")
