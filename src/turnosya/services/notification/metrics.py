"""What is counted of messages; by channel and outcome, never by person."""

from prometheus_client import Counter, Histogram

outcomes = Counter(
    "turnosya_deliveries_total",
    "Messages handed to a provider, or shown, by channel and what became of them.",
    ("channel", "outcome"),
)
provider_seconds = Histogram(
    "turnosya_provider_seconds",
    "Time a provider took to answer.",
    ("channel",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
receipts = Counter("turnosya_receipts_total", "What providers said became of messages.", ("state", "effect"))
