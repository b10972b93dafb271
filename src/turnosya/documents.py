"""Generated pages: the lock of the contracts, who talks to whom, and every setting.

``turnosya contracts --check`` (part of ``make check``) compares them with the code; ``--write`` makes
them anew and refuses a change that an older process would not understand, unless told otherwise.
"""

import importlib
import json
import pkgutil
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

import turnosya.contracts
from turnosya.app import OF_EVERY_PROCESS, SERVICES
from turnosya.runtime.messages import Event, Message, Rpc, ServiceError
from turnosya.runtime.settings import PREFIX, MessagingSettings, ProcessSettings, Settings

_LOCK = Path("contracts.lock.json")
_CONTRACTS = Path("docs/contracts.md")
_SETTINGS = Path("docs/settings.md")
Lock = dict[str, dict[str, Any]]


def pages() -> dict[Path, str]:
    """Every generated file, by its path in the repository."""
    return {
        _LOCK: json.dumps(lock(), indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        _CONTRACTS: contracts_page(),
        _SETTINGS: settings_page(),
    }


def stale(root: Path) -> list[str]:
    """Paths of generated files that differ from what the code says now."""
    return [
        str(path)
        for path, text in pages().items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]


def write(root: Path) -> None:
    """Makes every generated file anew."""
    for path, text in pages().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


# --- the lock ---


def _messages() -> list[type[Any]]:
    found: dict[str, type[Any]] = {}
    for module_info in pkgutil.iter_modules(turnosya.contracts.__path__):
        module = importlib.import_module(f"turnosya.contracts.{module_info.name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Message | ServiceError)
                and value.__module__ == module.__name__
                and "[" not in value.__name__  # `Rpc[Visits]`, of which `GetVisits` is made
            ):
                found[value.wire_name] = value
    return [found[name] for name in sorted(found)]


def lock() -> Lock:
    """The shape of every message by wire name: what sort it is, its JSON schema, its answer and errors."""
    shapes: Lock = {}
    for kind in _messages():
        if issubclass(kind, ServiceError):
            shapes[kind.wire_name] = {
                "sort": "error",
                "kind": kind.kind.value,
                "schema": _schema(kind.fields),
            }
            continue
        shape: dict[str, Any] = {"sort": _sort(kind), "schema": _schema(kind)}
        if issubclass(kind, Rpc):
            shape["answer"] = kind.answer_type.wire_name
            shape["errors"] = sorted(error.wire_name for error in kind.errors)
        shapes[kind.wire_name] = shape
    return shapes


def _sort(kind: type[Message]) -> str:
    return "request" if issubclass(kind, Rpc) else "event" if issubclass(kind, Event) else "value"


def _schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a pydantic model
    schema: dict[str, Any] = kind.model_json_schema()
    return typing.cast("dict[str, Any]", _without_prose(schema))


def _without_prose(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        items = typing.cast("dict[str, Any]", value).items()
        return {
            k: _without_prose(v) for k, v in items if k not in {"description", "title"} or isinstance(v, dict)
        }
    if isinstance(value, list):
        return [_without_prose(item) for item in typing.cast("Sequence[Any]", value)]
    return value


def breaks(old: Lock, new: Lock) -> list[str]:
    """What a process with the old contracts would not understand: fields gone, retyped or newly required."""
    found: list[str] = []
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            found.append(f"{name} is gone")
            continue
        then, now = _fields(before), _fields(after)
        found += [f"{name}.{field} is gone" for field in then if field not in now]
        found += [
            f"{name}.{field} changed its type" for field in then if field in now and now[field] != then[field]
        ]
        required = set(after["schema"].get("required", ())) - set(before["schema"].get("required", ()))
        found += [f"{name}.{field} is newly required" for field in sorted(required)]
    return found


def _fields(shape: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, dict[str, Any]] = shape["schema"].get("properties", {})
    return {name: {k: v for k, v in field.items() if k != "default"} for name, field in properties.items()}


def locked(root: Path) -> Lock:
    """The lock as it is kept; empty before the first."""
    path = root / _LOCK
    return json.loads(path.read_text()) if path.exists() else {}


# --- who talks to whom ---


def contracts_page() -> str:
    """``docs/contracts.md``: the graph and every message with who answers, asks, tells and hears it."""
    lines = [
        "# Contracts",
        "",
        "Generated by `turnosya contracts --write`; `make check` refuses a stale one.",
        "",
        "## Who asks whom",
        "",
        "```mermaid",
        "graph LR",
        *sorted({f"  {a} --> {b}" for a, b in _asking()}),
        "```",
        "",
        "## Who hears whom",
        "",
        "```mermaid",
        "graph LR",
        *sorted({f"  {a} -.-> {b}" for a, b in _hearing()}),
        "```",
    ]
    for sort, heading in (
        ("request", "Requests"),
        ("event", "Events"),
        ("error", "Errors"),
        ("value", "Values"),
    ):
        lines += ["", f"## {heading}"]
        lines += [line for kind in _messages() if _sort_of(kind) == sort for line in _entry(kind)]
    return "\n".join(lines) + "\n"


def _sort_of(kind: type[Any]) -> str:
    return "error" if issubclass(kind, ServiceError) else _sort(kind)


def _asking() -> set[tuple[str, str]]:
    return {
        (name, request.wire_name.partition(".")[0])
        for name, service in SERVICES.items()
        for request in service.asks
    }


def _hearing() -> set[tuple[str, str]]:
    return {
        (event.wire_name.partition(".")[0], name)
        for name, service in SERVICES.items()
        for event in (hearing.event for hearing in service.hears)
    }


def _entry(kind: type[Any]) -> list[str]:
    lines = ["", f"### `{kind.wire_name}`", "", _first_line(kind)]
    fields = (kind.fields if _sort_of(kind) == "error" else kind).model_fields
    if fields:
        lines += ["", "Fields: " + ", ".join(f"`{name}`" for name in fields) + "."]
    if _sort_of(kind) == "request":
        lines += ["", f"Answer `{kind.answer_type.wire_name}`" + _errors(kind) + "."]
    who = _who(kind.wire_name)
    return [*lines, "", who] if who else lines


def _errors(kind: type[Rpc[Any]]) -> str:
    return ", or " + ", ".join(f"`{error.wire_name}`" for error in kind.errors) if kind.errors else ""


def _first_line(kind: type[Any]) -> str:
    return (kind.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")


def _who(wire_name: str) -> str:
    parts: list[str] = []
    for name, service in SERVICES.items():
        parts += [f"answered by {name}" for one in service.answers if one.request.wire_name == wire_name]
        parts += [f"asked by {name}" for request in service.asks if request.wire_name == wire_name]
        parts += [f"told by {name}" for event in service.tells if event.wire_name == wire_name]
        parts += [f"heard by {name}" for one in service.hears if one.event.wire_name == wire_name]
    if wire_name in {message.wire_name for message in OF_EVERY_PROCESS}:
        parts.append("asked or heard by every process")
    return "; ".join(dict.fromkeys(parts)).capitalize() + "." if parts else ""


# --- settings ---


def settings_page() -> str:
    """``docs/settings.md``: every setting, its default and what it is for."""
    lines = [
        "# Settings",
        "",
        "Generated by `turnosya contracts --write`. All are environment variables, read once at start.",
        "Besides these, `TURNOSYA_<NAME>_DATABASE_URL` and `TURNOSYA_<NAME>_REDIS_URL` are a service's own",
        "stores. Keys without a default are made and kept in the data folder by the embedded run and",
        "demanded elsewhere.",
    ]
    groups: dict[str, type[Settings]] = {"Every process": ProcessSettings, "Messages": MessagingSettings}
    groups |= {name: service.settings for name, service in SERVICES.items() if service.settings.model_fields}
    for heading, kind in groups.items():
        lines += ["", f"## {heading}", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [
            f"| `{PREFIX}{name.upper()}` | {_default(field)} | {_in_a_cell(field.description or '')} |"
            for name, field in kind.model_fields.items()
        ]
    return "\n".join(lines) + "\n"


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(field: Any) -> str:  # noqa: ANN401 - pydantic's FieldInfo
    if field.is_required():
        return "demanded"
    value = field.get_default(call_default_factory=True)
    if value is None or value in {"", ()} or isinstance(value, SecretStr):
        return ""
    if isinstance(value, tuple):
        parts = typing.cast("Sequence[Any]", value)
        return f"`{','.join(f'{part:g}' if isinstance(part, float) else str(part) for part in parts)}`"
    return f"`{value}`"
