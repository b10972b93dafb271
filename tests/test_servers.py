"""The servers of the tests themselves: both forms answer, and private ones come back after a kill."""

import aio_pika
import asyncpg
import pytest
from redis.asyncio import Redis

from tests.servers import Servers


async def version_of_postgres(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()


async def test_postgres_of_both_forms_answers(servers: Servers) -> None:
    assert int((await version_of_postgres(servers.database_url)).split(".")[0]) >= 15
    assert (await version_of_postgres(servers.embedded_database_url)).startswith("18")


@pytest.mark.parametrize("form", ["split", "embedded"])
async def test_redis_of_both_forms_answers(servers: Servers, form: str) -> None:
    url = servers.redis_url if form == "split" else servers.embedded_redis_url
    async with Redis.from_url(url) as client:  # pyright: ignore[reportUnknownMemberType] untyped keywords
        assert await client.set("form", form)
        assert await client.get("form") == form.encode()


async def test_the_broker_has_a_virtual_host_for_each_worker(servers: Servers) -> None:
    async with await aio_pika.connect(servers.broker_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("here", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"there"), routing_key="here")
        message = await queue.get(timeout=10)
        assert message.body == b"there"
        await queue.delete(if_unused=False, if_empty=False)


async def test_a_private_postgres_comes_back_after_a_kill(servers: Servers) -> None:
    with servers.private("postgres") as postgres:
        postgres.kill()
        with pytest.raises(OSError, match="Connect call failed"):
            await version_of_postgres(postgres.url)
        postgres.start()
        assert await version_of_postgres(postgres.url)
