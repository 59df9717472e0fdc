"""The whole OpenAPI document, tried with what a generator thinks of: no 5xx, and no answer that is not documented."""

import os
import re

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agent_service._paths import migrations_dir
from agent_service.devstack.stack import Devstack
from tests.conftest import _chosen_bin
from tests.integration.api.conftest import PASSWORD, Api, settings_of, sign_in

# More with AGENT_FUZZ_EXAMPLES; the endless stream is tried by hand in test_events.
EXAMPLES = int(os.environ.get("AGENT_FUZZ_EXAMPLES", "12"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

# What the migrations that are here cannot do yet is 501; it is nothing else, and nowhere else.
SQL = "".join(file.read_text(encoding="utf-8") for file in migrations_dir().glob("*.sql"))
SENDING = {"send": "send_draft", "approve": "send_draft", "undo-send": "undo_send", "mark-sent": "mark_sent"}
NOT_BUILT = {path for path, function in SENDING.items() if f"function public.{function}(" not in SQL}


def load(api):
    return schemathesis.openapi.from_url(f"{api.base}/openapi.json")


def test_every_operation_is_described(api):
    document = httpx.get(f"{api.base}/openapi.json").json()
    names = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names.append(operation["operationId"])
            assert operation["description"], (method, path)
            if path.startswith("/api/"):
                assert {"401", "403", "422"} <= operation["responses"].keys(), (method, path)
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            assert "deprecated" not in operation
            if body:
                assert _has_example(document, body), (method, path)
    assert len(set(names)) == len(names)
    templates = [re.sub(r"\{\w+\}", "{}", path) for path in document["paths"]]
    assert len(set(templates)) == len(templates)


def _has_example(document, body):
    schema = body["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    optional = not schema.get("required")
    return optional or "example" in schema or "examples" in schema or "examples" in body


@pytest.fixture(scope="module")
def own_api():
    """With a stack of its own: an admin's requests that nobody thought of change what others rely on."""
    with Devstack(None, bin_dir=_chosen_bin()) as stack, Api(settings_of(stack)) as running:
        yield running, stack


@pytest.fixture(params=["user", "admin", "nobody"])
def caller(request, own_api):
    api, stack = own_api
    if request.param == "nobody":
        return api, {}
    email = f"{request.param}@example.com"
    stack.create_user(email, PASSWORD, full_name="Robin", role=request.param)
    return api, {"Authorization": f"Bearer {sign_in(stack, email)}"}


@pytest.mark.timeout(900)
def test_no_server_error_and_no_answer_that_is_not_documented(caller):
    api, headers = caller
    failures, tried = [], 0
    for result in load(api).get_all_operations():
        operation = result.ok()
        if operation.path == "/api/ai/events" and headers:
            continue  # it has no end
        tried += 1
        try:
            _try(operation, headers)
        except (Failure, BaseExceptionGroup) as error:
            failures.append(f"{operation.label}: {error}")
    assert tried > 20
    assert not failures, "\n\n".join(failures)


def _try(operation, headers):
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy())
    def each(case):
        response = case.call(headers=headers, timeout=30)
        if response.status_code == 501 and operation.path.rpartition("/")[2] in NOT_BUILT:
            return
        case.validate_response(response, checks=CHECKS)

    each()
