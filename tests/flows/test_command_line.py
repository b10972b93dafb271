"""What a newcomer meets: help, refusals in one sentence, and a start and a stop without alarms."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from tests.flows.systems import Process, Zygote, until_gone
from tests.flows.zygote import ENDED
from tests.servers import Servers
from turnosya.__main__ import main
from turnosya.app import SERVICES, targeted_beside
from turnosya.demo_data.filling import fill_town
from turnosya.embedded.ports import free_port
from turnosya.runtime import migrate
from turnosya.tour.client import Api

NOBODY = "127.0.0.1:1"
KEY = {"TURNOSYA_MESSAGE_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
BROKER = {"TURNOSYA_BROKER_URL": f"amqp://guest:a-secret@{NOBODY}"}


async def said(zygote: Zygote, folder: Path, args: Sequence[str], env: Mapping[str, str]) -> tuple[str, int]:
    """What a command wrote, and its exit code."""
    log = folder / "said.log"
    process = Process(tuple(args), env, log, 0, 0, zygote.fork(args, env, log))
    await until_gone(process)
    text, _, code = process.said().rpartition(ENDED)
    return text.strip(), int(code)


def test_help_is_there_at_once_and_no_text_is_cut() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert "demo-data" in shown
    assert "..." not in shown.replace("[ARGS]...", "")
    assert CliRunner().invoke(main, ["--version"]).output.startswith("TurnosYa 0.")
    imported = "import sys, turnosya.__main__; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", imported], text=True).split()
    assert not {"fastapi", "sqlalchemy", "redis", "turnosya.app"}.intersection(modules)


async def test_what_each_channel_needs_is_said_where_none_is_on_and_where_one_does_not_work(
    zygote: Zygote, tmp_path: Path
) -> None:
    off = "whatsapp: off (TURNOSYA_WHATSAPP_TOKEN, TURNOSYA_WHATSAPP_PHONE_ID)"
    text, code = await said(zygote, tmp_path, ["check-providers"], {})
    assert (text.splitlines()[0], len(text.splitlines()), code) == (off, 4, 0)
    url = {"TURNOSYA_SMTP_URL": f"smtp://turnos:a-secret@{NOBODY}"}
    text, code = await said(zygote, tmp_path, ["check-providers"], url)
    assert f"email: the mail server {NOBODY} does not let us in" in text
    assert ("a-secret" in text, code) == (False, 1)


AWAY = "{} at " + NOBODY + " does not answer (ConnectionRefusedError): start it, or correct TURNOSYA_{}_URL."
UNSET = """TURNOSYA_TURNOS_DATABASE_URL is not set, and a part of the system uses no embedded server: \
set it, or TURNOSYA_DATABASE_URL as for `turnosya migrate`."""
NO_DEMO = """demo-data makes people whose password everybody knows, so it fills no production system: \
set TURNOSYA_ENV=development if this is none."""
NEWER = """The data of users were written by a newer TurnosYa (revision 0042): \
run that version or a later one."""
MENDABLE: dict[str, tuple[str, dict[str, str], str]] = {
    "PostgreSQL": (
        "migrate turnos",
        {"TURNOSYA_DATABASE_URL": f"postgresql://postgres:a-secret@{NOBODY}/postgres"},
        AWAY.format("PostgreSQL", "DATABASE"),
    ),
    "Redis": (
        "migrate gateway",
        {"TURNOSYA_REDIS_URL": f"redis://:a-secret@{NOBODY}"},
        AWAY.format("Redis", "REDIS"),
    ),
    "RabbitMQ": (
        "serve files",
        {"TURNOSYA_FILES_DATABASE_URL": f"postgresql://files:a-secret@{NOBODY}/files"},
        AWAY.format("RabbitMQ", "BROKER"),
    ),
    "no database": ("serve turnos", {}, UNSET),
    "demo data": ("demo-data", {}, NO_DEMO),
}


@pytest.mark.parametrize("what", MENDABLE)
async def test_what_a_person_can_mend_is_one_sentence(zygote: Zygote, tmp_path: Path, what: str) -> None:
    args, env, sentence = MENDABLE[what]
    places = {"TURNOSYA_PORT": "0", "TURNOSYA_OPERATIONS_PORT": "0", "TURNOSYA_DATA_DIR": str(tmp_path / "d")}
    text, code = await said(zygote, tmp_path, args.split(), {**places, **BROKER, **KEY, **env})
    assert (text, code) == (f"turnosya: {sentence}", 1)
    assert not (tmp_path / "d").exists()


async def test_a_port_in_use_is_refused_before_anything_is_made(zygote: Zygote, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = {"TURNOSYA_PORT": port, "TURNOSYA_DATA_DIR": str(tmp_path / "data")}
        text, code = await said(zygote, tmp_path, ["serve"], env)
    assert code == 1
    assert text.startswith(f"turnosya: Port {port} on 127.0.0.1 is in use")
    assert not (tmp_path / "data").exists()


@asynccontextmanager
async def served(zygote: Zygote, folder: Path, env: Mapping[str, str]) -> AsyncGenerator[Process]:
    """A whole system on the data in ``folder / "data"``; ended in order."""
    process = Process(
        ("whole",),
        {
            "TURNOSYA_DATA_DIR": str(folder / "data"),
            "TURNOSYA_PORT": str(free_port()),
            "TURNOSYA_OPERATIONS_PORT": str(free_port()),
            **env,
        },
        folder / "serve.log",
        0,
        0,
    )
    process.port, process.operations_port = (
        int(process.env[name]) for name in ("TURNOSYA_PORT", "TURNOSYA_OPERATIONS_PORT")
    )
    process.pid = zygote.fork(["serve"], process.env, process.log)
    try:
        await process.until_ready()
        yield process
    finally:
        process.signal(signal.SIGINT)
        await until_gone(process)


def logged(process: Process) -> list[dict[str, object]]:
    return [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]


async def test_the_first_start_on_a_filled_town_is_without_alarms_and_so_is_its_stop(
    zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("TURNOSYA_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TURNOSYA_DATA_DIR", str(tmp_path / "data"))
    async with targeted_beside() as target:
        # What is told here waits in the outboxes for those who hear it.
        assert (await fill_town(target, businesses=1, clients=3)).people
    async with served(zygote, tmp_path, {}) as process, Api(process.url) as api:
        health = (await api.ask("GET", "/v1/checks/health")).promised(200).answer
        assert {
            name: one["status"] for name, one in health["services"].items() if one["status"] != "ok"
        } == {}
        assert health["status"] == "ok"
        await process.until_said("Stop with Ctrl-C.")
    lines = logged(process)
    assert "stopping" in [line["event"] for line in lines]
    assert [line for line in lines if line["level"] != "info"] == []
    assert [line for line in lines if line.get("status", "ok") != "ok"] == []
    assert process.said().rstrip().endswith(f"{ENDED}0")


async def test_production_without_a_provider_and_a_mistyped_setting_are_said_at_the_start(
    zygote: Zygote, tmp_path: Path
) -> None:
    mistyped = {"TURNOSYA_ENV": "production", "TURNOSYA_PROT": "8001"}
    async with served(zygote, tmp_path, mistyped) as process, httpx.AsyncClient() as http:
        await process.until_said("Stop with Ctrl-C.")
        assert (await http.get(f"{process.url}/v1/dev/messages")).status_code == 404
        again, code = await said(zygote, tmp_path, ["serve"], process.env)
    warned = [line for line in logged(process) if line["level"] == "warning"]
    assert [line["event"] for line in warned] == ["setting_unknown", "no_provider"]
    assert (warned[0]["name"], warned[0]["did_you_mean"]) == ("TURNOSYA_PROT", "TURNOSYA_PORT")
    assert "No provider is connected" in process.said()
    assert (code, "is in use" in again) == (1, True)


async def test_data_of_a_newer_release_are_refused_in_one_sentence(
    zygote: Zygote, servers: Servers, tmp_path: Path
) -> None:
    name = f"newer_{secrets.token_hex(4)}"
    own = make_url(servers.database_url).set(username=name, password=name, database=name)
    url = own.render_as_string(hide_password=False)
    package = SERVICES["users"].migrations
    assert package is not None
    await migrate.prepare_database(servers.database_url, url)
    await migrate.upgrade(url, package)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE service_version SET version_num = '0042'")
    await connection.close()
    env = {**BROKER, **KEY, "TURNOSYA_USERS_DATABASE_URL": url}
    text, code = await said(zygote, tmp_path, ["migrate", "users"], env)
    assert (text, code) == (f"turnosya: {NEWER}", 1)
