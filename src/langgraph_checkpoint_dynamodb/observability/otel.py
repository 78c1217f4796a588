"""Metrics and spans of the saver's operations, by OpenTelemetry's API (extra `otel`).

Names are those of OpenTelemetry's conventions for databases, as far as these have one:
https://opentelemetry.io/docs/specs/semconv/database/dynamodb/
https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
"""

from __future__ import annotations

import json
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from opentelemetry import metrics, trace

from ..errors import DISTRIBUTION
from .events import OperationEvent

_SCOPE = "langgraph_checkpoint_dynamodb"
_SYSTEM = "aws.dynamodb"

_DURATION = "db.client.operation.duration"
_BOUNDARIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
"""In seconds; the conventions' own."""

_COUNTERS = {
    "requests": ("{request}", "Requests sent to DynamoDB, retries included"),
    "retries": ("{request}", "Requests that repeat one that failed"),
    "throttles": ("{request}", "Requests refused for their rate, in whole or in part"),
    "read_units": ("{unit}", "Read capacity units consumed"),
    "write_units": ("{unit}", "Write capacity units consumed"),
    "cache_hits": ("{lookup}", "Look-ups that the saver's memory answered"),
    "cache_misses": ("{lookup}", "Look-ups that the saver's memory did not answer"),
    "chunks_written": ("{chunk}", "Chunks written"),
    "chunks_reused": ("{chunk}", "Chunks referred to that were stored already"),
}
"""The unit and description of each counter, by the field of `OperationEvent`."""


class OpenTelemetryObserver:
    """An observer that records a span and metrics for each operation.

    A span is a child of the span that is current where the saver is called. It is recorded when
    the operation has ended, so spans of botocore's own instrumentation are its siblings.

    Args:
        tracer_provider: Where spans go; OpenTelemetry's global provider by default.
        meter_provider: Where metrics go; the global provider by default.

    Example:
        ```python
        saver = DynamoDBSaver(DynamoDBConfig(observer=OpenTelemetryObserver()))
        ```
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        release = ""
        with suppress(PackageNotFoundError):  # a bundle may have left the metadata out
            release = version(DISTRIBUTION)
        self._tracer = trace.get_tracer(_SCOPE, release, tracer_provider)
        meter = metrics.get_meter(_SCOPE, release, meter_provider)
        self._duration = meter.create_histogram(
            _DURATION,
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._counters = {
            field: meter.create_counter(f"{_SCOPE}.{field}", unit=unit, description=description)
            for field, (unit, description) in _COUNTERS.items()
        }

    def __call__(self, event: OperationEvent) -> None:
        """Record one operation."""
        attributes = {
            "db.system.name": _SYSTEM,
            "db.operation.name": event.name,
            "db.collection.name": event.table,
        }
        if event.region is not None:
            attributes["cloud.region"] = event.region
        counts = {field: count for field in _COUNTERS if (count := getattr(event, field))}
        for field, count in counts.items():
            self._counters[field].add(count, attributes)
        if event.error is not None:
            attributes["error.type"] = event.error
        self._duration.record(event.duration, attributes)
        self._record_span(event, attributes, counts)

    def _record_span(
        self, event: OperationEvent, attributes: dict[str, str], counts: dict[str, float]
    ) -> None:
        span = self._tracer.start_span(
            f"{event.name} {event.table}",
            kind=trace.SpanKind.CLIENT,
            attributes={
                **attributes,
                "aws.dynamodb.table_names": [event.table],
                "aws.dynamodb.consumed_capacity": [_consumed_capacity(event)],
                **{f"{_SCOPE}.{field}": count for field, count in counts.items()},
            },
            start_time=_nanoseconds(event.started),
        )
        if event.error is not None:
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end(_nanoseconds(event.started + event.duration))


def _consumed_capacity(event: OperationEvent) -> str:
    """The sum of the operation's requests, in the form of DynamoDB's `ConsumedCapacity`.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ConsumedCapacity.html
    """
    return json.dumps(
        {
            "TableName": event.table,
            "CapacityUnits": event.read_units + event.write_units,
            "ReadCapacityUnits": event.read_units,
            "WriteCapacityUnits": event.write_units,
        }
    )


def _nanoseconds(seconds: float) -> int:
    """Of whole microseconds: a float of today's time holds no more."""
    return round(seconds * 1_000_000) * 1_000
