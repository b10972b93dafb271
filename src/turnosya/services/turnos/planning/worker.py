"""The process that plans: a problem a line on its input, a plan a line on its output, until the input ends.

Only here are numpy and scipy imported: they take a second and 80 MiB, which no other process should pay.
"""

from __future__ import annotations

import os
import sys

from turnosya.services.turnos.planning.solving import best_plan
from turnosya.services.turnos.planning.wire import plan_line, problem_of

# HiGHS takes half as many threads as there are processors for it: one, whatever the machine, so that the
# same problem gives the same plan.
_PROCESSORS = 2


def main() -> None:
    """Plans for ever."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-_PROCESSORS:])
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin.buffer:
        answers.write(plan_line(best_plan(problem_of(line))))
        answers.flush()


if __name__ == "__main__":
    main()
