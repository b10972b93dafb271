"""A real nginx in front, set up as docs/forward-auth.md has it."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.flows.systems import Form
from tests.flows.world import World
from tests.private_servers import installed
from tests.stage import until
from turnosya.embedded.ports import free_port

pytestmark = pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])

PAGE = Path(__file__).parents[2] / "docs" / "forward-auth.md"
AROUND = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream services {{ server {services}; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 404; }}
        {locations}
    }}
}}
"""


@asynccontextmanager
async def nginx(folder: Path, *, gateway: str, services: str) -> AsyncGenerator[str]:
    """Its address, while it runs with the page's own lines."""
    [locations] = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    port = free_port()
    text = AROUND.format(
        folder=folder,
        port=port,
        services=services.removeprefix("http://"),
        locations=locations.replace("http://gateway:8000", gateway),
    )
    settings = folder / "nginx.conf"
    settings.write_text(text)
    program = installed("nginx", "/usr/sbin")
    process = await asyncio.create_subprocess_exec(program, "-p", str(folder), "-c", str(settings))
    try:
        await until(lambda: _listens(port), bool)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


async def test_nginx_lets_in_whom_the_gateway_would_and_says_who_they_are(
    world: World, tmp_path: Path
) -> None:
    person = await world.somebody()
    token = {"Authorization": f"Bearer {person.token}"}
    users = world.system.process_of("users").url
    async with (
        world.system.another("gateway", TURNOSYA_TRUSTED_PROXIES="127.0.0.1") as gateway,
        nginx(tmp_path, gateway=gateway.url, services=users) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):
        mine = await http.get("/v1/users/me", headers=token)
        assert (mine.status_code, mine.json()["id"]) == (200, str(person.id))
        claims = {**token, "X-User-Id": "0", "X-Internal-Service": "auth", "X-Forwarded-For": "10.9.8.7"}
        assert (await http.get("/v1/users/me", headers=claims)).json()["id"] == str(person.id)

        assert (await http.get("/v1/users/me", headers={"Authorization": "Bearer x"})).status_code == 401
        assert (await http.get("/v1/users/me")).json()["code"] == "token_missing"
        assert (await http.get("/v1/nothing")).status_code == 404
        assert (await http.get("/v1/users/%2e%2e/internal")).status_code == 400
        assert (await http.get("/internal/forward-auth")).status_code == 404

        (await person.ask("POST", "/v1/auth/logout")).promised(204)
        ended = await until(
            lambda: http.get("/v1/users/me", headers=token), lambda got: got.status_code != 200
        )
        assert ended.status_code == 401
