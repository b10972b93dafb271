"""The dashboards of Grafana: what each shows, and the JSON in ``deploy/grafana/dashboards`` built from it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos

_SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
_WIDTH, _HEIGHT = 12, 8
_EVERY = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Shown:
    """One panel: lines of PromQL with their legends."""

    title: str
    unit: str
    lines: Sequence[tuple[str, str]]
    says: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; ``by_process`` lets its reader choose processes."""

    uid: str
    title: str
    panels: Sequence[Shown]
    by_process: bool = False


def rate(metric: str, by: str, chosen: str = "") -> tuple[str, str]:
    """How often a second, by these labels."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return f"sum by ({by}) (rate({metric}{{{chosen}}}{_EVERY}))", legend


def quantiles(metric: str, chosen: str = "") -> list[tuple[str, str]]:
    """Half, 95 and 99 of a hundred took no longer."""
    return [
        (f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{{chosen}}}{_EVERY})))", f"p{q * 100:g}")
        for q in (0.5, 0.95, 0.99)
    ]


def quantile_by(metric: str, by: str, q: float = 0.99, chosen: str = "") -> tuple[str, str]:
    """So many of a hundred took no longer, by one label."""
    inner = f"sum by (le, {by}) (rate({metric}_bucket{{{chosen}}}{_EVERY}))"
    return f"histogram_quantile({q}, {inner})", f"{{{{{by}}}}}"


def share(part: str, whole: str) -> str:
    """The first of the second, from 0 to 1."""
    return f"sum(rate({part}{_EVERY})) / sum(rate({whole}{_EVERY}))"


def largest(metric: str, by: str) -> tuple[str, str]:
    """What copies measure of the same thing, once."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return f"max by ({by}) ({metric})", legend


_HTTP = "turnosya_http_request_seconds"
_BOOKING = 'service="turnos", route="/v1/turnos/appointments", method="POST"'
_SLOTS = 'service="turnos", route=~".*/slots"'
_LOGIN = 'service="auth", route=~"/v1/auth/(login|otp|token|refresh)"'

BOARDS = (
    Board(
        "turnosya-door",
        "TurnosYa: the front door",
        (
            Shown("Requests by service", "reqps", [rate(f"{_HTTP}_count", "route", 'service="gateway"')]),
            Shown("Answers by status", "reqps", [rate(f"{_HTTP}_count", "status", 'service="gateway"')]),
            Shown("Time to answer", "s", quantiles(_HTTP, 'service="gateway"')),
            Shown(
                "Share of failures (500 and up)",
                "percentunit",
                [
                    (
                        share(
                            f'{_HTTP}_count{{service="gateway", status=~"5.."}}',
                            f'{_HTTP}_count{{service="gateway"}}',
                        ),
                        "failures",
                    )
                ],
            ),
            Shown(
                "Refusals by code",
                "reqps",
                [rate("turnosya_refusals_total", "code", 'service="gateway"')],
            ),
            Shown(
                "Services that answer",
                "short",
                [("min by (service) (turnosya_service_up)", "{{service}}")],
                "1: a ready copy answered checks last; 0: none.",
            ),
            Shown("Processes", "short", [largest("turnosya_processes", "state")]),
            Shown("Alerts that last", "short", [largest("turnosya_alerts_open", "kind")]),
            Shown("Alerts raised", "ops", [rate("turnosya_alerts_raised_total", "kind")]),
            Shown(
                "Dependencies that answer",
                "short",
                [("min by (service, dependency) (turnosya_dependency_up)", "{{service}} {{dependency}}")],
            ),
        ),
    ),
    Board(
        "turnosya-bookings",
        "TurnosYa: bookings",
        (
            Shown(
                "Turnos",
                "ops",
                [rate("turnosya_events_told_total", "event", 'event=~"turnos.Appointment.*"')],
                "Booked, moved, cancelled, completed: events told, by kind.",
            ),
            Shown("Time to book", "s", quantiles(_HTTP, _BOOKING)),
            Shown("Answers to bookings by status", "reqps", [rate(f"{_HTTP}_count", "status", _BOOKING)]),
            Shown(
                "Refusals by reason", "reqps", [rate("turnosya_refusals_total", "code", 'service="turnos"')]
            ),
            Shown("Free times asked for", "reqps", [rate(f"{_HTTP}_count", "status", _SLOTS)]),
            Shown("Time to find free times", "s", quantiles(_HTTP, _SLOTS)),
            Shown(
                "Searches",
                "reqps",
                [
                    rate(
                        f"{_HTTP}_count", "status", 'service="business", route="/v1/businesses", method="GET"'
                    )
                ],
            ),
            Shown(
                "Time to search",
                "s",
                quantiles(_HTTP, 'service="business", route="/v1/businesses", method="GET"'),
            ),
        ),
    ),
    Board(
        "turnosya-messages",
        "TurnosYa: messages",
        (
            Shown(
                "Messages by channel and outcome",
                "ops",
                [rate("turnosya_deliveries_total", "channel, outcome")],
            ),
            Shown("Time providers take, p99", "s", [quantile_by("turnosya_provider_seconds", "channel")]),
            Shown("Receipts of providers", "ops", [rate("turnosya_receipts_total", "state, effect")]),
            Shown(
                "Age of events when people are told, p95",
                "s",
                [quantile_by("turnosya_inbox_age_seconds", "service", 0.95, 'service="notification"')],
            ),
            Shown("Chat, by call", "reqps", [rate(f"{_HTTP}_count", "route, method", 'service="chat"')]),
            Shown("Time chat takes", "s", quantiles(_HTTP, 'service="chat"')),
        ),
    ),
    Board(
        "turnosya-queues",
        "TurnosYa: queues and outboxes",
        (
            Shown("Events stored, not delivered", "short", [largest("turnosya_outbox_waiting", "service")]),
            Shown("Age of the oldest of them", "s", [largest("turnosya_outbox_oldest_seconds", "service")]),
            Shown("Events heard, not handled", "short", [largest("turnosya_inbox_waiting", "service")]),
            Shown("Age of the oldest of them", "s", [largest("turnosya_inbox_oldest_seconds", "service")]),
            Shown("Age when handled, p90", "s", [quantile_by("turnosya_inbox_age_seconds", "service", 0.9)]),
            Shown("Handled, retried, dead", "ops", [rate("turnosya_events_heard_total", "outcome")]),
            Shown("Dead letters", "ops", [rate("turnosya_events_heard_total", "hearer", 'outcome="dead"')]),
            Shown("Events told", "ops", [rate("turnosya_events_told_total", "event")]),
            Shown(
                "From auth's store to its hearers, p99",
                "s",
                [quantile_by("turnosya_auth_event_delivery_seconds", "stream")],
            ),
            Shown("In the broker's queues", "short", [largest("turnosya_queue_messages", "queue")]),
            Shown("Consumers of each queue", "short", [largest("turnosya_queue_consumers", "queue")]),
            Shown(
                "Requests between services by outcome",
                "reqps",
                [rate("turnosya_rpc_seconds_count", "outcome")],
            ),
            Shown(
                "Time of requests between services, p99",
                "s",
                [quantile_by("turnosya_rpc_seconds", "request")],
            ),
            Shown("Lateness of jobs", "s", quantiles("turnosya_job_lateness_seconds")),
            Shown("Time of one try of a job, p99", "s", [quantile_by("turnosya_job_seconds", "outcome")]),
            Shown("Jobs that run", "short", [("sum(turnosya_jobs_running)", "running")]),
            Shown("Tries of jobs", "ops", [rate("turnosya_jobs_ended_total", "request, outcome")]),
            Shown(
                "Missed schedules, fenced outcomes",
                "ops",
                [
                    rate("turnosya_schedules_missed_total", "request"),
                    (f"sum(rate(turnosya_jobs_fenced_total{_EVERY}))", "fenced"),
                ],
            ),
            Shown(
                "Log lines",
                "ops",
                [
                    (f"sum(rate(turnosya_log_lines_kept_total{_EVERY}))", "kept"),
                    (f"sum(rate(turnosya_logs_dropped_total{_EVERY}))", "dropped"),
                ],
            ),
            Shown(
                "Steps of traces",
                "ops",
                [rate("turnosya_trace_steps_total", "outcome")],
                "Where a collector is set: taken by it, refused, or dropped because it was slow.",
            ),
        ),
    ),
    Board(
        "turnosya-sign-ins",
        "TurnosYa: sign-ins and abuse",
        (
            Shown("Sign-in calls by status", "reqps", [rate(f"{_HTTP}_count", "route, status", _LOGIN)]),
            Shown("Time they take", "s", quantiles(_HTTP, _LOGIN)),
            Shown("Codes asked for", "ops", [rate("turnosya_codes_requested_total", "purpose, outcome")]),
            Shown("Codes tried", "ops", [rate("turnosya_codes_tried_total", "purpose, outcome")]),
            Shown(
                "Codes used of those sent",
                "percentunit",
                [
                    (
                        share(
                            'turnosya_codes_tried_total{outcome="good"}',
                            'turnosya_codes_requested_total{outcome="sent"}',
                        ),
                        "used",
                    )
                ],
                "Far below its usual value: somebody has codes sent and does not read them.",
            ),
            Shown("Refresh tokens by outcome", "ops", [rate("turnosya_refreshes_total", "outcome")]),
            Shown("Age of reused refresh tokens", "s", quantiles("turnosya_refresh_reuse_age_seconds")),
            Shown("Generations between", "short", quantiles("turnosya_refresh_reuse_distance")),
            Shown(
                "Refused at the door and at auth",
                "reqps",
                [rate("turnosya_refusals_total", "service, code", 'service=~"gateway|auth"')],
            ),
        ),
    ),
    Board(
        "turnosya-resources",
        "TurnosYa: each service's resources",
        (
            Shown(
                "Processor",
                "percentunit",
                [
                    (
                        f'rate(process_cpu_seconds_total{{process=~"$process"}}{_EVERY})',
                        "{{process}} {{instance}}",
                    )
                ],
                "1 is one core; a process uses no more than that, and some for hashing and images.",
            ),
            Shown(
                "Memory",
                "bytes",
                [('process_resident_memory_bytes{process=~"$process"}', "{{process}} {{instance}}")],
            ),
            Shown(
                "Open files", "short", [('process_open_fds{process=~"$process"}', "{{process}} {{instance}}")]
            ),
            Shown(
                "Lateness of the loop, p99",
                "s",
                [quantile_by("turnosya_loop_lag_seconds", "instance", chosen='process=~"$process"')],
            ),
            Shown(
                "Database connections",
                "short",
                [
                    ('turnosya_pool_used{process=~"$process"}', "{{service}} {{instance}} used"),
                    ('turnosya_pool_size{process=~"$process"}', "{{service}} {{instance}} at most"),
                ],
            ),
            Shown(
                "Got no connection",
                "ops",
                [rate("turnosya_pool_exhausted_total", "service", 'process=~"$process"')],
            ),
            Shown(
                "Requests",
                "reqps",
                [rate(f"{_HTTP}_count", "process", 'process=~"$process"')],
            ),
            Shown(
                "Garbage collections",
                "ops",
                [rate("python_gc_collections_total", "process, generation", 'process=~"$process"')],
            ),
        ),
        by_process=True,
    ),
)


def files() -> Iterator[tuple[str, str]]:
    """The name of each dashboard's file in ``deploy`` and its JSON."""
    for board in BOARDS:
        built = json.loads(JSONEncoder(sort_keys=True).encode(_dashboard(board).build()))
        yield f"grafana/dashboards/{board.uid}.json", json.dumps(built, indent=2, sort_keys=True) + "\n"


def _dashboard(board: Board) -> Dashboard:
    made = Dashboard(board.title).uid(board.uid).tags(["turnosya"])
    made = made.refresh("30s").time("now-1h", "now").timezone("browser").readonly()
    if board.by_process:
        names = QueryVariable("process").label("Process").datasource(_SOURCE).multi(True).include_all(True)
        query: dict[str, object] = {"query": "label_values(up, process)", "refId": "process"}
        made = made.with_variable(names.query(query).all_value(".*"))
    for place, shown in enumerate(board.panels):
        column, row = place % 2, place // 2
        at = GridPos(h=_HEIGHT, w=_WIDTH, x=column * _WIDTH, y=row * _HEIGHT)
        made = made.with_panel(_panel(shown).id(place + 1).grid_pos(at))
    return made


def _panel(shown: Shown) -> Panel:
    panel = Panel().title(shown.title).unit(shown.unit).datasource(_SOURCE).min(0)
    if shown.says:
        panel = panel.description(shown.says)
    for place, (expression, legend) in enumerate(shown.lines):
        line = Dataquery().expr(expression.replace("{}", "")).legend_format(legend)
        panel = panel.with_target(line.ref_id(chr(ord("A") + place)))
    return panel
