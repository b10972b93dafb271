"""Chat lives, says so, and makes nothing up."""

import pytest

from tests.servers import Servers
from tests.stage import a_stage
from turnosya.services.chat.service import service as chat


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/chat", "/v1/chat/conversations", "/socket.io/"])
async def test_what_is_not_built_is_not_found(servers: Servers, method: str, path: str) -> None:
    async with a_stage(servers, [chat]) as stage, stage.http("chat") as http:
        answer = await http.request(method, path, json={"name": "\u0000 ñ"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_it_is_healthy_and_answers_a_ping(servers: Servers) -> None:
    async with a_stage(servers, [chat]) as stage, stage.http("chat") as http:
        for path in ("/healthz", "/readyz"):
            assert (await http.get(path)).status_code == 200
        assert await stage.bus.ping("chat") < 2
