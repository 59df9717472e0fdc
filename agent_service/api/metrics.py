"""What /metrics tells Prometheus. Labels are routes, states and kinds: never an id, an address or a name."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "agent_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "agent_http_request_seconds",
            "Seconds until an answer was whole; of a stream, until it ended.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.streams = Gauge("agent_streams_open", "Streams that are open.", ("kind",), registry=self.registry)
        self.generations = Counter(
            "agent_generations", "Drafts generated here, by how it ended.", ("state",), registry=self.registry
        )
        self.contexts = Counter(
            "agent_contexts",
            "Contexts by where they came from: database, memory, or not sent since the reader has it (unchanged).",
            ("source",),
            registry=self.registry,
        )
        self.refused_tokens = Counter(
            "agent_tokens_refused",
            "Requests turned away for their token, by the code.",
            ("code",),
            registry=self.registry,
        )

    def render(self) -> bytes:
        """Return them in Prometheus's text format."""
        return generate_latest(self.registry)
