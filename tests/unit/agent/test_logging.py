import io
import json

import pytest

from agent_service.logging import configure_logging, get_logger


@pytest.fixture
def lines():
    stream = io.StringIO()
    configure_logging(stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_where_no_person_watches_a_line_is_json_with_a_stable_event(lines):
    get_logger().info("job.ended", job_id="1", state="done")
    (line,) = lines()
    assert (line["event"], line["job_id"], line["state"], line["level"]) == ("job.ended", "1", "done", "info")


def test_a_field_nobody_agreed_on_is_left_out(lines):
    get_logger().info("job.ended", content="Dear Dana", prompt="secret", token="ey...")
    assert lines()[0].keys() == {"event", "level", "timestamp"}


def test_of_an_exception_only_its_kind_is_told(lines):
    get_logger().warning("job.attempt_failed", error=ValueError("Dear Dana"))
    assert lines()[0]["error"] == "ValueError"


def test_a_stream_that_is_gone_costs_nothing():
    stream = io.StringIO()
    configure_logging(stream=stream)
    stream.close()
    get_logger().info("job.ended", job_id="1")
