"""An S3 of the tests' own, which fails where a test says so."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, cast

import httpx
from moto.moto_server.werkzeug_app import (  # pyright: ignore[reportMissingTypeStubs] - moto has none
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

NAME = "turnosya-files"

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Bucket:
    """One bucket of it; ``address`` is that of the S3."""

    address: str = ""
    refused: dict[str, int] = field(default_factory=dict[str, int])
    """By method, how many calls go well before all others are answered with ``status``."""
    status: str = "403 Forbidden"
    is_cutting: bool = False
    """Whether bodies of answers to GET end in the middle."""

    @property
    def settings(self) -> dict[str, str]:
        options = (
            f'{{"aws_endpoint": "{self.address}", "aws_access_key_id": "tests",'
            ' "aws_secret_access_key": "tests", "aws_region": "us-east-1"}'
        )
        return {"TURNOSYA_FILES_STORE_URL": f"s3://{NAME}", "TURNOSYA_FILES_STORE_OPTIONS": options}

    def recovers(self) -> None:
        self.refused.clear()
        self.status, self.is_cutting = "403 Forbidden", False

    def answer(self, app: App, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method in self.refused:
            self.refused[method] -= 1
            if self.refused[method] < 0:
                start(self.status, [("Content-Length", "0")])
                return [b""]
        body = app(environ, start)
        if self.is_cutting and method == "GET":
            whole = b"".join(body)
            return [whole[: len(whole) // 2]]
        return body


@contextmanager
def a_bucket() -> Generator[Bucket]:
    """Runs in a thread for as long as the block lasts."""
    bucket = Bucket()
    app = cast("App", DomainDispatcherApplication(create_backend_app))

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return bucket.answer(app, environ, start)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=MotoRequestHandler)
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    bucket.address = f"http://127.0.0.1:{server.server_port}"
    # What it keeps belongs to the process: an earlier one of these left it there.
    httpx.post(f"{bucket.address}/moto-api/reset").raise_for_status()
    httpx.put(f"{bucket.address}/{NAME}").raise_for_status()
    try:
        yield bucket
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
