"""What auth counts."""

from prometheus_client import Counter, Histogram

refreshes = Counter(
    "turnosya_refreshes_total", "Refresh tokens presented, by what was decided.", ("outcome",)
)
reuse_age = Histogram(
    "turnosya_refresh_reuse_age_seconds",
    "Age of the successor when an older refresh token came again.",
    buckets=(1, 10, 60, 600, 3600, 86_400, 604_800),
)
reuse_distance = Histogram(
    "turnosya_refresh_reuse_distance",
    "Generations between a reused refresh token and the present one.",
    buckets=(1, 2, 5, 10, 100),
)
codes_sent = Counter(
    "turnosya_codes_requested_total", "Codes asked for, by purpose and outcome.", ("purpose", "outcome")
)
codes_tried = Counter(
    "turnosya_codes_tried_total", "Codes tried, by purpose and outcome.", ("purpose", "outcome")
)
events_waiting_s = Histogram(
    "turnosya_auth_event_delivery_seconds", "From storing an event to its delivery.", ("stream",)
)
