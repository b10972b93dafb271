"""``turnosya tour``: what it is given, and what it exits with."""

from __future__ import annotations

from contextlib import AsyncExitStack

from rich.console import Console

from turnosya.tour.client import Api, NotAsPromised
from turnosya.tour.own_system import own_system
from turnosya.tour.screen import Screen
from turnosya.tour.story import STEPS, tell


async def run_tour(url: str | None, *, keep: bool) -> int:
    """Runs the story at ``url``, or at a system of its own; the exit code is 0 if all was as promised."""
    console = Console(highlight=False)
    screen = Screen(console, steps=STEPS)
    try:
        async with AsyncExitStack() as stack:
            folder = None
            if url is None:
                screen.note("Starting a system of our own…")
                system = await stack.enter_async_context(own_system(keep=keep))
                url, folder = system.url, system.folder
            screen.note(f"The tour is at {url}")
            api = await stack.enter_async_context(Api(url, watch=screen.saw))
            await tell(api, screen, keep=keep)
        if folder is not None and keep:
            screen.well(f"All as promised. See it with: TURNOSYA_DATA_DIR={folder} turnosya serve")
        else:
            screen.well("All as promised.")
    except NotAsPromised as error:
        screen.failed(str(error))
        return 1
    return 0
