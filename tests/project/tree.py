"""The project's files, as git knows them: what is tracked, and what would be."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Every file that is tracked or new, except what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    return tuple(path for path in sorted({ROOT / name for name in names if name}) if path.is_file())


def python_files(*folders: str) -> list[Path]:
    """Python files below these folders of the project."""
    roots = [ROOT / folder for folder in folders]
    return [path for path in files() if path.suffix == ".py" and any(path.is_relative_to(r) for r in roots)]


def short(path: Path) -> str:
    """As one would name it from the root."""
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    """Its text; nothing for a picture."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def imports_of(path: Path) -> Iterator[str]:
    """Full names of the modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
