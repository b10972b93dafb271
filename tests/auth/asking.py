"""A process that asks for codes and says each one that was made, until it is killed."""

import asyncio
import sys

from tests.auth.world import a_world
from turnosya.runtime.redis import open_redis


async def main(redis_url: str) -> None:
    async with a_world(open_redis(redis_url)) as world:
        for number in range(1000, 10_000):
            sent = await world.ask_code(f"+549112233{number}", auth=world.copy_of_auth(limited=False))
            sys.stdout.write(f"{sent.challenge_id}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
