"""Starts processes of ours by forking: the imports, over a second of each start, are made once.

One line of JSON an order, ``{"args", "env", "log"}``, answered with the process id. Each child is an
operating-system process of its own that runs the command line. All end when the input does.
"""

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from typing import Any

# The command line imports it for each command; here that is done before.
import turnosya.commands  # noqa: F401 # pyright: ignore[reportUnusedImport]
from turnosya.__main__ import main as command_line
from turnosya.runtime import measuring
from turnosya.services.users import passwords

STOP_S = 10.0
PR_SET_PDEATHSIG = 1
ENDED = "ended with code "
"""How the log of a process begins its last line, if it was not killed."""


def main() -> None:
    # The kernel buries the dead: a killed child is gone at once for whoever looks.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: list[int] = []
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
        children.append(child)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    end(children)


def become(order: dict[str, Any]) -> None:
    """Run the command line with this environment; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setsid()
    # Whose starter was killed ends as well: nobody else would end it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, number)
    for name in [name for name in os.environ if name.startswith("TURNOSYA_")]:
        del os.environ[name]
    os.environ.update(order["env"])
    # A benchmark looks more closely than a process does by itself.
    measuring._LAG_EVERY_S = float(os.environ.get("TESTS_LAG_EVERY_S", measuring._LAG_EVERY_S))  # pyright: ignore[reportPrivateUsage]
    if "TESTS_CHEAP_PASSWORDS" in os.environ:
        # Half of what a sign-up costs; tests/users/test_credentials.py hashes as it is shipped.
        passwords.MEMORY_KIB, passwords.PASSES = 64, 1
    code = 70
    try:
        command_line(order["args"], prog_name="turnosya")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - there is nobody above to print it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, f"\n{ENDED}{code}\n".encode())
        os._exit(code)


def end(children: list[int]) -> None:
    """In order first, so that nothing of theirs is left behind."""
    send(children, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while send(children, 0) and time.monotonic() < until:
        time.sleep(0.02)
    send(children, signal.SIGKILL)


def send(children: list[int], number: int) -> bool:
    """Whether anybody was there to get it."""
    found = False
    for child in children:
        try:
            os.kill(child, number)
            found = True
        except ProcessLookupError:
            continue
    return found


if __name__ == "__main__":
    main()
