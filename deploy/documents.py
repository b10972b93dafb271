"""How documents of YAML are written."""

from collections.abc import Callable, Iterable
from typing import Any

import yaml


class _Plain(yaml.SafeDumper):
    """What is meant twice is written twice, and lists stand below their name."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 - any value
        _ = data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002
        return super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    represent: Callable[..., yaml.ScalarNode] = dumper.represent_scalar  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return represent("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)
_dump: Callable[..., str] = yaml.dump  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def written(*documents: object) -> str:
    """Documents, their members in our order."""
    return "---\n".join(
        _dump(one, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True) for one in documents
    )


def parsed(text: str) -> list[dict[str, Any]]:
    """The documents of a file."""
    found: Iterable[dict[str, Any]] = yaml.safe_load_all(text)
    return list(found)
