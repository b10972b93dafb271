"""``turnosya tour``: what it is given, and what it exits with."""

from __future__ import annotations

from contextlib import AsyncExitStack

from rich.console import Console

from turnosya.tour import closed_day, story
from turnosya.tour.client import Api, NotAsPromised
from turnosya.tour.own_system import own_system
from turnosya.tour.screen import Screen

SCENES = {"first-booking": (story.STEPS, story.tell), "closed-day": (closed_day.STEPS, closed_day.tell)}
"""What can be shown: how many steps it has, and who tells it."""


async def run_tour(url: str | None, *, keep: bool, scene: str = "first-booking") -> int:
    """Runs a scene at ``url``, or at a system of its own; the exit code is 0 if all was as promised."""
    console = Console(highlight=False)
    steps, tell = SCENES[scene]
    screen = Screen(console, steps=steps)
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
