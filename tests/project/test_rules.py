"""Rules of the project that no linter knows."""

import ast
import fcntl
import os
import re
import subprocess
import tomllib
from pathlib import Path

from tests.project.tree import ROOT, files, imports_of, python_files, short, text_of

FILE_LINES, FUNCTION_LINES = 500, 60
# Assembled, so that this file does not name them either.
ADDRESSES = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "registry.yarnpkg" + ".com",
    "deb.debian" + ".org",
    "registry-1.docker" + ".io",
]
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+|opt/(?:pypi|wheels)|Users/\w+)/")
VAGUE = {"utils", "util", "common", "helper", "helpers", "manager", "managers", "info", "data", "misc"}
# What speaks to the outside: a file of rules decides, and does not.
OUTSIDE = {
    "aio_pika",
    "aiohttp",
    "asyncio",
    "asyncpg",
    "httpx",
    "os",
    "pathlib",
    "random",
    "redis",
    "socket",
    "sqlalchemy",
    "subprocess",
    "time",
    "turnosya.runtime.bus",
    "turnosya.runtime.database",
    "turnosya.runtime.redis",
}
SQL_IN_RUNTIME = {
    "direct",
    "database",
    "dead_letters",
    "outbox",
    "inbox",
    "idempotency",
    "migrate",
    "history",
    "migrations",
}


def test_no_file_is_longer_than_500_lines() -> None:
    lines = {short(path): path.read_text().count("\n") for path in python_files("src", "tests", "tools")}
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = {
        f"{short(path)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in python_files("src", "tests", "tools")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    }
    assert long == {}


def test_no_file_is_named_after_nothing() -> None:
    assert [short(path) for path in python_files("src", "tests") if path.stem in VAGUE] == []


def test_no_file_names_a_package_registry_or_a_path_of_somebodys_machine() -> None:
    named = [
        f"{short(path)}: {found}"
        for path in files()
        for found in [*(a for a in ADDRESSES if a in text_of(path)), *MACHINE_PATHS.findall(text_of(path))]
    ]
    assert named == []


def test_no_test_sleeps() -> None:
    sleeping = [
        f"{short(path)}:{node.lineno}"
        for path in python_files("tests")
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] == "sleep"
        # sleep(0) lets others run and takes no time.
        and not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]
    assert sleeping == []


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
    assert [
        short(path) for path in python_files("src", "tests", "tools") if words.search(path.read_text())
    ] == []


def test_sql_is_written_only_where_stores_are() -> None:
    elsewhere = [
        short(path)
        for path in python_files("src")
        if any(name.split(".")[0] == "sqlalchemy" for name in imports_of(path))
        and not _may_speak_sql(short(path))
    ]
    assert elsewhere == []


def _may_speak_sql(name: str) -> bool:
    parts = name.removesuffix(".py").split("/")[2:]
    if parts[0] == "runtime":
        return parts[1] in SQL_IN_RUNTIME
    return parts[0] == "services" and parts[2] in {"tables", "store", "migrations"}


def test_rules_decide_and_do_nothing() -> None:
    acting = [
        f"{short(path)} imports {name}"
        for path in python_files("src/turnosya/services")
        if "rules" in {path.stem, path.parent.name}
        for name in imports_of(path)
        if name in OUTSIDE or name.split(".")[0] in OUTSIDE
    ]
    assert acting == []


def test_every_package_of_the_source_is_one() -> None:
    """A folder without ``__init__.py`` escapes the import rules and the wheel."""
    folders = {path.parent for path in python_files("src/turnosya") if "migrations" not in path.parts}
    assert [short(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_locks_name_everything_that_is_asked_for_and_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lock, asked in (
        ("requirements.lock", project["dependencies"]),
        ("requirements-dev.lock", [*project["dependencies"], *project["optional-dependencies"]["dev"]]),
    ):
        text = (ROOT / lock).read_text()
        names = {_plain(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in asked}
        locked = {_plain(line.split("==")[0]) for line in text.splitlines() if "==" in line}
        assert names - locked == set(), f"run `make lock`: {lock} is older than pyproject.toml"
        assert "://" not in text
        assert "--index-url" not in text


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    for command in ("make check", "make test"):
        assert command in script
        assert command in readme


def test_every_command_of_the_makefile_is_explained_by_make_help() -> None:
    told = subprocess.check_output(["make", "help"], cwd=ROOT, text=True)
    for command in ("run", "test", "check", "bench", "tour", "lock", "clean"):
        assert f"make {command} " in told


def test_two_that_make_the_environment_of_one_clone_do_so_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    with (tmp_path / "pyproject.toml").open() as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        # A Python that is none, so that it ends where it would begin to install.
        later = subprocess.Popen(
            [ROOT / "tools" / "environment", "requirements.lock"],
            cwd=tmp_path,
            env={**os.environ, "PYTHON": "false"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert later.stdout is not None
        assert "waiting for it" in later.stdout.readline()
        assert later.poll() is None
    assert "needs Python" in later.communicate(timeout=30)[1]


def test_every_link_of_a_page_leads_somewhere() -> None:
    links = [
        (path, link)
        for path in files()
        if path.suffix == ".md"
        for link in re.findall(r"\]\((?!\w+:)([^)#\s]+)", text_of(path))
    ]
    assert links
    assert [f"{short(path)}: {link}" for path, link in links if not (path.parent / link).exists()] == []
