"""Stand-ins for providers on this machine: they err, hang and talk nonsense on cue."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

APP_SECRET, VERIFY_TOKEN = "what the provider signs with", "what it knows"
HTML = Response("<html><h1>502 Bad Gateway</h1></html>", 502, media_type="text/html")
HTML_200 = Response("<html>Please sign in to the hotel's network</html>", 200, media_type="text/html")
Trick = Response | str | Callable[[dict[str, Any]], Awaitable[Response]]


def an_error(code: int, status: int = 400, **headers: str) -> Response:
    """As the Graph API refuses."""
    return JSONResponse(
        {"error": {"message": "(#x) no", "type": "OAuthException", "code": code, "fbtrace_id": "A"}},
        status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@dataclass
class Graph:
    """The Cloud API: what it got, and what it does next instead of taking a message."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    at: list[float] = field(default_factory=list[float])
    tricks: list[Trick] = field(default_factory=list[Trick])
    templates: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    taken: int = 0
    keeps: bool = True
    """False: messages are counted and not kept, for whoever looks at memory."""
    says: str = ""
    """The id that it gives every message, if it is so wrong."""

    async def take(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.at.append(asyncio.get_running_loop().time())
        trick = self.tricks.pop(0) if self.tricks else None
        if trick == "hang":
            self.got.append(body)
            await self.hanging.wait()
            return Response(status_code=204)
        if trick == "trickle":
            self.got.append(body)
            return StreamingResponse(self._drops(), media_type="application/json")
        if callable(trick) and not isinstance(trick, Response):
            return await trick(body)
        if isinstance(trick, Response):
            return trick
        return self.keep(body)

    async def _drops(self) -> AsyncGenerator[bytes]:
        """An answer that is never over, a byte now and then."""
        while not self.hanging.is_set():
            yield b" "
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self.hanging.wait()

    def keep(self, body: dict[str, Any]) -> Response:
        """Takes a message, and says so."""
        self.taken += 1
        if self.keeps:
            self.got.append(body)
        number = self.says or f"wamid.{self.taken}.{body['biz_opaque_callback_data']}"
        return JSONResponse(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": body["to"], "wa_id": body["to"]}],
                "messages": [{"id": number}],
            }
        )

    async def number(self, request: Request) -> Response:
        return JSONResponse({"id": request.path_params["id"], "display_phone_number": "+54 9 11 0000-0000"})

    async def list_templates(self, _request: Request) -> Response:
        return JSONResponse({"data": self.templates})

    def to(self, phone: str) -> list[dict[str, Any]]:
        """What went to a number."""
        return [one for one in self.got if one["to"] == phone.lstrip("+")]


def a_status(delivery_or_wamid: str, state: str, *, wamid: str = "", **more: object) -> dict[str, Any]:
    """One receipt; the first is our id that came along, or the provider's where ``wamid`` is empty."""
    ours = {"biz_opaque_callback_data": delivery_or_wamid} if wamid else {}
    return {
        "id": wamid or delivery_or_wamid,
        "status": state,
        "timestamp": "1793000000",
        "recipient_id": "5491122334455",
        **ours,
        **more,
    }


def a_webhook(*statuses: dict[str, Any], messages: list[dict[str, Any]] | None = None) -> bytes:
    """As the provider calls, not yet signed."""
    value: dict[str, Any] = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}}
    if statuses:
        value["statuses"] = list(statuses)
    if messages:
        value["messages"] = messages
    return json.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}],
        }
    ).encode()


def signed(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    """The header that proves it."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@dataclass
class Firebase:
    """FCM and the place where its access tokens come from."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tokens_given: int = 0
    tokens_asked: int = 0
    tokens_that_hang: set[int] = field(default_factory=set[int])
    """Which of those that are asked for are never given, counted from 1."""
    tricks: dict[str, list[Response | str]] = field(default_factory=dict[str, list[Response | str]])
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    async def token(self, request: Request) -> Response:
        form = (await request.body()).decode()
        assert "assertion=" in form
        self.tokens_asked += 1
        if self.tokens_asked in self.tokens_that_hang:
            await self.hanging.wait()
        self.tokens_given += 1
        return JSONResponse({"access_token": f"token-{self.tokens_given}", "expires_in": 3599})

    async def take(self, request: Request) -> Response:
        assert request.headers["authorization"].startswith("Bearer token-")
        body: dict[str, Any] = await request.json()
        queue = self.tricks.get(body["message"]["token"], [])
        trick = queue.pop(0) if queue else None
        if isinstance(trick, Response):
            return trick
        self.got.append(body["message"])
        if trick == "hang":
            await self.hanging.wait()
        return JSONResponse({"name": f"projects/p/messages/{len(self.got)}"})


def fcm_error(
    status: int, *, field_name: str | None = None, error_code: str | None = None, **headers: str
) -> Response:
    """As FCM refuses; its details say which field is wrong, or what it has against the device."""
    details: list[dict[str, Any]] = []
    if error_code is not None:
        kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        details.append({"@type": kind, "errorCode": error_code})
    if field_name is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": field_name, "description": "no"}],
            }
        )
    return JSONResponse(
        {"error": {"code": status, "status": "X", "details": details}},
        status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@dataclass
class Browsers:
    """A push service of browsers."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])
    tricks: list[Response] = field(default_factory=list[Response])

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        return self.tricks.pop(0) if self.tricks else Response(status_code=201)


@dataclass
class Post:
    """A mail server."""

    url: str = ""
    got: list[EmailMessage] = field(default_factory=list[EmailMessage])
    refusals: dict[str, str] = field(default_factory=dict[str, str])
    """The answer to a recipient."""
    tricks: list[str] = field(default_factory=list[str])
    """What it says of the next letters instead of keeping them; ``hang``: keeps it and says nothing."""
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        raw = envelope.content
        assert isinstance(raw, bytes)
        trick = self.tricks.pop(0) if self.tricks else None
        if trick is not None and trick != "hang":
            return trick
        self.got.append(message_from_bytes(raw, policy=policy.default))
        if trick == "hang":
            await self.hanging.wait()
        return "250 kept"


@dataclass
class Providers:
    """All of them, and the settings that lead to them."""

    graph: Graph
    firebase: Firebase
    browsers: Browsers
    post: Post
    settings: dict[str, str]


@asynccontextmanager
async def providers(folder: Path) -> AsyncGenerator[Providers]:
    """Opens all stand-ins on ports of this machine."""
    graph, firebase, browsers, post = Graph(), Firebase(), Browsers(), Post()
    app = Starlette(
        routes=[
            Route("/v1/projects/p/messages:send", firebase.take, methods=["POST"]),
            Route("/token", firebase.token, methods=["POST"]),
            Route("/push/{browser}", browsers.take, methods=["POST"]),
            Route("/42/message_templates", graph.list_templates),
            Route("/{id}/messages", graph.take, methods=["POST"]),
            Route("/{id}", graph.number),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    graph.url = firebase.url = browsers.url = url
    mail = await asyncio.get_running_loop().create_server(lambda: SMTP(post), "127.0.0.1", 0)
    mail_port = mail.sockets[0].getsockname()[1]
    post.url = f"smtp://127.0.0.1:{mail_port}"
    account = folder / "firebase.json"
    account.write_text(json.dumps(_account(url)))
    settings = {
        "TURNOSYA_WHATSAPP_TOKEN": "token",
        "TURNOSYA_WHATSAPP_PHONE_ID": "1",
        "TURNOSYA_WHATSAPP_ACCOUNT_ID": "42",
        "TURNOSYA_WHATSAPP_APP_SECRET": APP_SECRET,
        "TURNOSYA_WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
        "TURNOSYA_WHATSAPP_URL": url,
        "TURNOSYA_WHATSAPP_ONE_PER_S": "0",
        "TURNOSYA_FCM_ACCOUNT_FILE": str(account),
        "TURNOSYA_FCM_URL": url,
        "TURNOSYA_WEBPUSH_PRIVATE_KEY": _vapid_key(),
        "TURNOSYA_WEBPUSH_HOSTS": "127.0.0.1",
        "TURNOSYA_SMTP_URL": post.url,
        "TURNOSYA_PROVIDER_TIMEOUT_S": "1",
    }
    try:
        yield Providers(graph, firebase, browsers, post, settings)
    finally:
        for one in (graph, firebase, post):
            one.hanging.set()
        server.should_exit = True
        await serving
        mail.close()


def _account(url: str) -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "k",
        "private_key": pem.decode(),
        "client_email": "push@p.iam.example",
        "token_uri": f"{url}/token",
    }


def _vapid_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    number = key.private_numbers().private_value.to_bytes(32, "big")
    return base64.urlsafe_b64encode(number).rstrip(b"=").decode()


def a_subscription(endpoint: str) -> dict[str, Any]:
    """What a browser gives: where it is reached, and keys of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return {
        "endpoint": endpoint,
        "keys": {
            "p256dh": base64.urlsafe_b64encode(point).rstrip(b"=").decode(),
            "auth": base64.urlsafe_b64encode(b"sixteen bytes ok").rstrip(b"=").decode(),
        },
    }
