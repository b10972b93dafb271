"""The figures of jobs."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_MOST_REQUESTS = 60

started_late_s = Histogram(
    "turnosya_job_lateness_seconds", "From a job's time to its first start.", buckets=_SECONDS
)
took_s = Histogram("turnosya_job_seconds", "How long one try took.", ("outcome",), buckets=_SECONDS)
ended = Counter(
    "turnosya_jobs_ended_total", "Tries, by request and what became of them.", ("request", "outcome")
)
fenced = Counter("turnosya_jobs_fenced_total", "Outcomes refused because a newer start has taken over.")
missed = Counter("turnosya_schedules_missed_total", "Times of recurring jobs that were missed.", ("request",))
running = Gauge("turnosya_jobs_running", "Jobs that this process is making now.")

_requests: set[str] = set()


def label(request: str) -> str:
    """The request's name; those past the sixtieth are one."""
    if request not in _requests and len(_requests) >= _MOST_REQUESTS:
        return "other"
    _requests.add(request)
    return request
