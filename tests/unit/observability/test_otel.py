"""The observer for OpenTelemetry, with the SDK's exporters in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from either import Either
from langgraph_checkpoint_dynamodb import OperationEvent, ThrottledError
from langgraph_checkpoint_dynamodb.observability import OpenTelemetryObserver
from sessions import Scripted, refusal
from threads import config_of

EVENT = OperationEvent(
    name="put",
    table="chats",
    region="eu-west-1",
    started=1_800_000_000.25,
    duration=0.5,
    requests=3,
    retries=1,
    read_units=1.5,
    write_units=4.0,
    cache_hits=2,
    chunks_written=1,
    chunks_reused=7,
)
SCOPE = "langgraph_checkpoint_dynamodb"
COMMON = {
    "db.system.name": "aws.dynamodb",
    "db.operation.name": "put",
    "db.collection.name": "chats",
    "cloud.region": "eu-west-1",
}


class Telemetry:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.observer = OpenTelemetryObserver(
            self.tracers, MeterProvider(metric_readers=[self._reader])
        )

    @property
    def spans(self) -> Any:
        return self._exporter.get_finished_spans()

    def metrics(self) -> dict[str, Any]:
        data: Any = self._reader.get_metrics_data()
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        assert scope.scope.name == SCOPE
        return {metric.name: metric for metric in scope.metrics}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def test_a_span_has_the_names_of_the_conventions(telemetry: Telemetry) -> None:
    telemetry.observer(EVENT)
    (span,) = telemetry.spans
    assert (span.name, span.kind) == ("put chats", trace.SpanKind.CLIENT)
    assert span.start_time == 1_800_000_000_250_000_000
    assert span.end_time == 1_800_000_000_750_000_000
    assert span.status.status_code == trace.StatusCode.UNSET
    attributes = dict(span.attributes)
    (consumed,) = attributes.pop("aws.dynamodb.consumed_capacity")
    assert json.loads(consumed) == {
        "TableName": "chats",
        "CapacityUnits": 5.5,
        "ReadCapacityUnits": 1.5,
        "WriteCapacityUnits": 4.0,
    }
    assert attributes.pop("aws.dynamodb.table_names") == ("chats",)
    own = {name: value for name, value in attributes.items() if name.startswith(SCOPE)}
    assert own[f"{SCOPE}.requests"] == 3
    assert own[f"{SCOPE}.chunks_reused"] == 7
    assert {name: attributes[name] for name in attributes.keys() - own.keys()} == COMMON


def test_metrics_have_the_names_of_the_conventions(telemetry: Telemetry) -> None:
    telemetry.observer(EVENT)
    telemetry.observer(EVENT)
    found = telemetry.metrics()
    duration = found.pop("db.client.operation.duration")
    (point,) = duration.data.data_points
    assert (duration.unit, point.count, point.sum) == ("s", 2, 1.0)
    assert point.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    assert dict(point.attributes) == COMMON
    sums = {name: metric.data.data_points[0].value for name, metric in found.items()}
    assert sums == {
        f"{SCOPE}.requests": 6,
        f"{SCOPE}.retries": 2,
        f"{SCOPE}.read_units": 3.0,
        f"{SCOPE}.write_units": 8.0,
        f"{SCOPE}.cache_hits": 4,
        f"{SCOPE}.chunks_written": 2,
        f"{SCOPE}.chunks_reused": 14,
    }


@pytest.mark.parametrize("mode", ["sync", pytest.param("async", marks=pytest.mark.aio)])
async def test_a_saver_records_within_the_span_of_its_caller(
    telemetry: Telemetry, mode: str
) -> None:
    scripted = Scripted(mode)
    saver = scripted.saver(
        lambda call: refusal("ThrottlingException"), max_retries=0, observer=telemetry.observer
    )
    client = Either(saver, use_async=mode == "async")
    tracer = telemetry.tracers.get_tracer("test")
    with tracer.start_as_current_span("turn") as turn, pytest.raises(ThrottledError):
        await client.get_tuple(config_of("a thread"))
    await saver.aclose()
    span, _ = telemetry.spans
    assert span.parent.span_id == turn.get_span_context().span_id
    assert span.status.status_code == trace.StatusCode.ERROR
    assert span.attributes["error.type"] == "ThrottledError"
    assert span.attributes["db.operation.name"] == "get_tuple"
    assert "a thread" not in span.to_json()
    (point,) = telemetry.metrics()["db.client.operation.duration"].data.data_points
    assert point.attributes["error.type"] == "ThrottledError"


def test_without_a_provider_nothing_is_recorded_and_nothing_fails() -> None:
    OpenTelemetryObserver()(EVENT)


def test_opentelemetry_is_imported_on_first_use() -> None:
    script = (
        "import sys; import langgraph_checkpoint_dynamodb.observability as o; "
        "assert 'opentelemetry' not in sys.modules; o.OpenTelemetryObserver; "
        "assert 'opentelemetry' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import langgraph_checkpoint_dynamodb.observability as package

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        package.Nothing  # noqa: B018
