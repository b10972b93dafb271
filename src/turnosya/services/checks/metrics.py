"""What checks counts."""

from prometheus_client import Counter, Gauge

processes_known = Gauge("turnosya_processes", "Processes that checks knows of.", ("state",))
queue_waiting = Gauge("turnosya_queue_messages", "Events that wait in a durable queue.", ("queue",))
queue_consumers = Gauge("turnosya_queue_consumers", "Processes that take from a durable queue.", ("queue",))
alerts_open = Gauge("turnosya_alerts_open", "Alerts that last, by kind.", ("kind",))
alerts_raised = Counter("turnosya_alerts_raised_total", "Alerts raised by this process, by kind.", ("kind",))
log_lines_kept = Counter("turnosya_log_lines_kept_total", "Log lines handed to this process to be stored.")
