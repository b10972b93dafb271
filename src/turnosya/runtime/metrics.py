"""The figures every process counts; served on its operations port only."""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# When each series began: a third of all lines, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]
# Fractions of a millisecond matter in memory, seconds behind a slow dependency.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)

http_seconds = Histogram(
    "turnosya_http_request_seconds",
    "Time to answer, by service, route template, method and status.",
    ("service", "route", "method", "status"),
    buckets=SECONDS,
)
rpc_seconds = Histogram(
    "turnosya_rpc_seconds",
    "Time to answer a request between services.",
    ("request", "outcome"),
    buckets=SECONDS,
)
events_heard = Counter("turnosya_events_heard_total", "Events handled, by hearer.", ("hearer", "outcome"))
events_told = Counter("turnosya_events_told_total", "Events delivered to all who hear them.", ("event",))
outbox_waiting = Gauge(
    "turnosya_outbox_waiting", "Events stored and not yet delivered, 10,000 at most.", ("service",)
)
outbox_oldest_s = Gauge(
    "turnosya_outbox_oldest_seconds", "Age of the oldest event not yet delivered.", ("service",)
)
inbox_waiting = Gauge(
    "turnosya_inbox_waiting", "Events heard and not yet handled, 10,000 at most.", ("service",)
)
inbox_oldest_s = Gauge("turnosya_inbox_oldest_seconds", "Age of the oldest of them.", ("service",))
pool_used = Gauge("turnosya_pool_used", "Database connections in use when last looked at.", ("service",))
pool_size = Gauge("turnosya_pool_size", "Database connections there may be.", ("service",))
pool_exhausted = Counter(
    "turnosya_pool_exhausted_total", "Who got no database connection in time.", ("service",)
)
dependency_up = Gauge(
    "turnosya_dependency_up", "1 when the service's dependency answered last.", ("service", "dependency")
)
refusals = Counter("turnosya_refusals_total", "Requests refused, by the problem's code.", ("service", "code"))
# Nothing may hold it up for 20 ms: that has a bucket of its own.
loop_lag_s = Histogram(
    "turnosya_loop_lag_seconds",
    "How late the event loop came to what was due.",
    buckets=sorted({*SECONDS, 0.02}),
)
logs_dropped = Counter("turnosya_logs_dropped_total", "Log lines dropped because nobody took them.")
spans = Counter(
    "turnosya_trace_steps_total", "Steps of traces: taken by the collector, refused, dropped.", ("outcome",)
)
service_up = Gauge(
    "turnosya_service_up", "1 when checks found the service ready at its last look.", ("service",)
)
inbox_seconds = Histogram(
    "turnosya_inbox_age_seconds", "Age of an event when its handling ended.", ("service",), buckets=SECONDS
)
