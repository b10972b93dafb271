"""The embedded PostgreSQL and Redis, each test in a data folder of its own."""

# redis-py leaves its keyword arguments without types.
# pyright: reportUnknownMemberType=false

import asyncio
import base64
import errno
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisUnreachable

from tests.stage import until
from turnosya.embedded import Embedded, EmbeddedError, children, embedded_servers
from turnosya.embedded.children import working_in
from turnosya.embedded.disk import DiskWatch
from turnosya.embedded.folder import KEY_NAMES, DataFolder
from turnosya.embedded.redis import wheel_server

# Runs the servers until its input ends, like a `make run` that can be killed.
ANOTHER_RUN = """
import asyncio, pathlib, sys
from turnosya.embedded import embedded_servers

async def run():
    async with embedded_servers(pathlib.Path(sys.argv[1]), postgres=True, redis=True):
        print("running", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(run())
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def servers(data_dir: Path) -> AsyncIterator[Embedded]:
    async with embedded_servers(data_dir, postgres=True, redis=True, redis_server=wheel_server()) as running:
        yield running


async def ask_postgres(servers: Embedded, statement: str) -> object:
    assert servers.database_url
    connection = await asyncpg.connect(servers.database_url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def ask_redis(servers: Embedded, ask: Callable[[Redis], Awaitable[object]]) -> object:
    assert servers.redis_url
    async with Redis.from_url(servers.redis_url, decode_responses=True) as client:
        return await ask(client)


async def eventually(ask: Callable[[], Awaitable[object]]) -> object:
    """The first answer that is not a refused connection."""

    async def answer() -> tuple[object, ...]:
        try:
            return (await ask(),)
        except (OSError, asyncpg.PostgresError, RedisUnreachable):
            return ()

    return (await until(answer, bool))[0]


async def test_a_first_start_gives_both_servers_and_a_second_one_finds_the_data(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=True, redis=True) as first:
        await ask_postgres(first, "create table kept as select 7 as seven")
        await ask_redis(first, lambda store: store.set("kept", "seven"))
    async with embedded_servers(data_dir, postgres=True, redis=True) as second:
        assert await ask_postgres(second, "select seven from kept") == 7
        assert await ask_redis(second, lambda store: store.get("kept")) == "seven"
        assert second.secrets == first.secrets


async def test_only_what_is_asked_for_runs(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=False, redis=True) as running:
        assert running.database_url is None
        assert await ask_redis(running, lambda store: store.ping()) is True
    assert not (data_dir / "postgres").exists()


async def test_secrets_are_32_random_bytes_each_and_only_their_owner_can_read_them(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=False, redis=False) as running:
        assert set(running.secrets) == set(KEY_NAMES)
        assert {len(base64.urlsafe_b64decode(key)) for key in running.secrets.values()} == {32}
        assert len(set(running.secrets.values())) == len(KEY_NAMES)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "secrets.json").stat().st_mode) == 0o600


async def test_both_listen_only_on_loopback_and_want_a_password(servers: Embedded, data_dir: Path) -> None:
    for folder, name in (("postgres", "postgres"), ("redis", "redis-server")):
        main = min(working_in(data_dir / folder, frozenset({name})), key=lambda process: process.pid)
        listening = {c.laddr.ip for c in main.net_connections("all") if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
    assert servers.database_url
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.database_url, password="wrong")
    assert servers.redis_url
    with pytest.raises(AuthenticationError):
        async with Redis.from_url("redis://" + servers.redis_url.split("@")[1]) as stranger:
            await stranger.ping()


async def test_what_was_written_is_on_disk_before_it_is_answered(servers: Embedded) -> None:
    assert await ask_redis(servers, lambda store: store.config_get("appendfsync")) == {
        "appendfsync": "always"
    }
    assert await ask_redis(servers, lambda store: store.config_get("appendonly")) == {"appendonly": "yes"}
    assert await ask_postgres(servers, "show fsync") == "on"
    assert await ask_postgres(servers, "show synchronous_commit") == "on"


async def test_the_children_have_no_powers(servers: Embedded, data_dir: Path) -> None:
    """As root they are nobody and may only pass folders; as anybody else they are that person."""
    as_root = os.geteuid() == 0
    programs = frozenset({"postgres", "redis-server"})
    processes = [*working_in(data_dir / "postgres", programs), *working_in(data_dir / "redis", programs)]
    assert len(processes) > 2
    for process in processes:
        assert process.uids().effective == (65534 if as_root else os.geteuid())
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert f"CapEff:\t{2 if as_root else 0:016x}\n" in status


async def test_a_second_run_on_the_same_data_is_refused_in_one_sentence(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=False, redis=False):
        with pytest.raises(EmbeddedError, match=rf"process {os.getpid()}\).*TURNOSYA_DATA_DIR"):
            async with embedded_servers(data_dir, postgres=False, redis=False):
                pass


async def test_a_killed_postgres_comes_back_on_its_port_with_its_data(
    servers: Embedded, data_dir: Path
) -> None:
    await ask_postgres(servers, "create table kept as select 7 as seven")
    # A session in the middle of a long statement outlives its postmaster unless it is ended.
    busy = asyncio.create_task(ask_postgres(servers, "select pg_sleep(30)"))
    asleep = "select 1 / count(*) from pg_stat_activity where wait_event = 'PgSleep'"
    await eventually(lambda: ask_postgres(servers, asleep))
    postmaster = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await busy
    assert await eventually(lambda: ask_postgres(servers, "select seven from kept")) == 7
    assert not servers.died.done()


async def test_a_killed_redis_comes_back_on_its_port_with_its_data(servers: Embedded, data_dir: Path) -> None:
    await ask_redis(servers, lambda store: store.set("kept", "seven"))
    (process,) = working_in(data_dir / "redis", frozenset({"redis-server"}))
    process.kill()
    await asyncio.to_thread(process.wait)
    assert await eventually(lambda: ask_redis(servers, lambda store: store.get("kept"))) == "seven"
    assert not servers.died.done()


async def test_a_child_that_cannot_live_is_given_up_in_one_sentence(
    servers: Embedded, data_dir: Path
) -> None:
    (data_dir / "redis" / "redis.conf").write_text("port none\n")
    (process,) = working_in(data_dir / "redis", frozenset({"redis-server"}))
    process.kill()
    assert "Redis" in await asyncio.wait_for(servers.died, 20)


async def test_left_over_children_of_a_killed_run_are_ended_and_their_data_is_kept(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "STOP_TIMEOUT_S", 0.3)
    async with embedded_servers(data_dir, postgres=True, redis=True) as first:
        await ask_postgres(first, "create table kept as select 7 as seven")
    with subprocess.Popen(
        [sys.executable, "-c", ANOTHER_RUN, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        assert await asyncio.to_thread(run.stdout.readline) == b"running\n"
        (left_redis,) = working_in(data_dir / "redis", frozenset({"redis-server"}))
        # Stopped, it cannot follow its parent into death: the left-over that a next run finds.
        left_redis.suspend()
        run.kill()
    async with embedded_servers(data_dir, postgres=True, redis=True) as second:
        assert not left_redis.is_running() or left_redis.status() == psutil.STATUS_ZOMBIE
        assert await ask_postgres(second, "select seven from kept") == 7


async def test_children_die_with_a_killed_run(data_dir: Path) -> None:
    command = [sys.executable, "-c", ANOTHER_RUN, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert await asyncio.to_thread(run.stdout.readline) == b"running\n"
        children = psutil.Process(run.pid).children(recursive=True)
        assert children
        run.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=10)
    assert alive == []


async def test_data_of_another_major_postgres_is_refused_in_one_sentence(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=True, redis=False):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="written by PostgreSQL 17, this is PostgreSQL 18"):
        async with embedded_servers(data_dir, postgres=True, redis=False):
            pass


async def test_data_of_a_newer_redis_is_refused_in_one_sentence(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=False, redis=True):
        pass
    (data_dir / "versions.json").write_text('{"redis": "Redis 99.0"}')
    with pytest.raises(EmbeddedError, match=r"written by Redis 99\.0, here is only .* cannot read it"):
        async with embedded_servers(data_dir, postgres=False, redis=True):
            pass


async def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"cannot be written.*TURNOSYA_DATA_DIR"):
        async with embedded_servers(tmp_path / "file" / "data", postgres=False, redis=False):
            pass


async def test_lost_secrets_beside_kept_data_are_not_made_anew(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=False, redis=True):
        pass
    (data_dir / "secrets.json").unlink()
    with pytest.raises(EmbeddedError, match=r"secrets\.json is missing"):
        async with embedded_servers(data_dir, postgres=False, redis=True):
            pass


async def test_a_folder_with_spaces_and_quotes_in_its_name_works(tmp_path: Path) -> None:
    async with embedded_servers(tmp_path / 'mi "casa" ñ', postgres=True, redis=True) as running:
        assert await ask_postgres(running, "select 1") == 1
        assert await ask_redis(running, lambda store: store.ping()) is True


async def test_a_dead_postmaster_whose_number_somebody_has_does_not_refuse_the_next(data_dir: Path) -> None:
    async with embedded_servers(data_dir, postgres=True, redis=False) as first:
        await ask_postgres(first, "create table kept as select 7 as seven")
    zombie = subprocess.Popen(["true"])
    await asyncio.to_thread(os.waitid, os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    # Nobody takes its end, as under a first process that reaps nothing; and the number of a stranger.
    for pid in (zombie.pid, os.getpid()):
        lock = data_dir / "postgres" / "postmaster.pid"
        lock.write_text(f"{pid}\n{data_dir / 'postgres'}\n")
        lock.chmod(0o644)
        async with embedded_servers(data_dir, postgres=True, redis=False) as later:
            assert await ask_postgres(later, "select seven from kept") == 7
    zombie.wait()


async def test_a_left_over_that_is_stopped_ends_in_order_and_at_once(data_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ANOTHER_RUN, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        assert await asyncio.to_thread(run.stdout.readline) == b"running\n"
        for left in working_in(data_dir / "postgres", frozenset({"postgres"})):
            left.suspend()
        run.kill()
    async with embedded_servers(data_dir, postgres=True, redis=False) as later:
        assert await ask_postgres(later, "select 1") == 1
    log = (data_dir / "logs" / "postgres.log").read_text()
    assert "not properly shut down" not in log


async def test_a_server_that_died_of_a_full_disk_says_so(
    servers: Embedded, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (data_dir / "logs" / "redis.log").open("a") as log:
        log.write("# Short write while writing to the AOF file: No space left on device\n")
    (process,) = working_in(data_dir / "redis", frozenset({"redis-server"}))
    process.kill()
    assert await eventually(lambda: ask_redis(servers, lambda store: store.ping())) is True
    (died,) = [line for line in capsys.readouterr().out.splitlines() if "embedded_server_died" in line]
    assert "the disk is full: make room" in died


def test_a_full_disk_is_said_once_a_minute_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch, mib = DiskWatch(tmp_path), 2**20
    for now, free in ((0, 500), (2, 3), (4, 2), (61, 2), (62, 1), (64, 700), (66, 700), (68, 0)):
        usage = SimpleNamespace(free=free * mib)
        monkeypatch.setattr(shutil, "disk_usage", {tmp_path: usage}.__getitem__)
        watch.look(now=now)
    said = [line for line in capsys.readouterr().out.splitlines() if "disk_" in line]
    assert ["disk_full" in line for line in said] == [True, True, False, True]
    assert "free_mib=3" in re.sub(r"\x1b\[\d*m", "", said[0])
    assert str(tmp_path) in said[0]


def test_a_folder_of_somebody_else_is_said_to_be_theirs(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.mkdir()
    owner, me = os.geteuid(), os.geteuid() + 4242

    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    monkeypatch.setattr(os, "geteuid", lambda: me)
    name = pwd.getpwuid(owner).pw_name
    with (
        pytest.raises(EmbeddedError, match=f"belongs to {name}, and TurnosYa runs as the user id {me}"),
        DataFolder.opened(data_dir),
    ):
        pass
