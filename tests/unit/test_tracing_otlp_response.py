"""What backends answer, read by hand, compared with what the official classes write."""

import datetime
import email.utils
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import DebugInfo, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from shared.tracing.otlp_response import partial_success, retry_after_s, retry_info_s


@given(st.integers(0, 2**63 - 1), st.text())
def test_partial_success(rejected: int, message: str) -> None:
    """Count and message of a partial success are read as the official classes wrote them."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans, answer.partial_success.error_message = rejected, message
    assert partial_success(answer.SerializeToString()) == (rejected, message)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer(body: bytes) -> None:
    """What a backend answers never raises, whatever it is."""
    assert partial_success(body)[0] >= 0
    retry_info_s(body)


def test_retry_info() -> None:
    """The delay of a RetryInfo is found among other details."""
    status, detail = Status(code=8, message="busy"), AnyMessage()
    for message in (DebugInfo(detail="x"), RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))):
        detail = AnyMessage()
        detail.Pack(message)
        status.details.append(detail)
    assert retry_info_s(status.SerializeToString()) == 2.5
    assert retry_info_s(Status(code=8).SerializeToString()) is None
    assert retry_info_s(None) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("1e9", 300.0), ("soon", None), ("", None), (None, None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds are taken within bounds, nonsense is ignored."""
    assert retry_after_s(header) == seconds


def test_retry_after_as_a_date() -> None:
    """The header may be a date."""
    then: Any = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=20)
    found = retry_after_s(email.utils.format_datetime(then, usegmt=True))
    assert found is not None
    assert 18 < found <= 20
