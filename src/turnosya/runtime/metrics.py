"""The figures every process counts; served on its operations port only."""

from prometheus_client import Counter, Gauge, Histogram

# Fractions of a millisecond matter in memory, seconds behind a slow dependency.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)

http_seconds = Histogram(
    "turnosya_http_request_seconds",
    "Time to answer, by service, route template, method and status.",
    ("service", "route", "method", "status"),
    buckets=_SECONDS,
)
rpc_seconds = Histogram(
    "turnosya_rpc_seconds",
    "Time to answer a request between services.",
    ("request", "outcome"),
    buckets=_SECONDS,
)
events_heard = Counter("turnosya_events_heard_total", "Events handled, by hearer.", ("hearer", "outcome"))
outbox_waiting = Gauge("turnosya_outbox_waiting", "Events stored and not yet delivered.", ("service",))
logs_dropped = Counter("turnosya_logs_dropped_total", "Log lines dropped because nobody took them.")
service_up = Gauge(
    "turnosya_service_up", "1 when checks found the service ready at its last look.", ("service",)
)
inbox_seconds = Histogram(
    "turnosya_inbox_age_seconds", "Age of an event when its handling ended.", ("service",), buckets=_SECONDS
)
