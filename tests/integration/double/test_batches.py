"""Message batches as the official SDK sees them."""

import asyncio

import anthropic
import pytest

from tests.double import KEY
from tests.double.faults import (
    Canceled,
    Expired,
    Missing,
    Overloaded,
    RefusalBeforeText,
    ServerError,
)


@pytest.fixture
def run(connect):
    """Run what is to be done with a client."""

    async def with_client(do):
        async with connect() as client:
            return await do(client.messages.batches)

    return lambda do: asyncio.run(with_client(do))


def requests(usual, *names, **changes):
    return [{"custom_id": name, "params": usual | changes} for name in names]


async def results(batches, batch_id):
    return {line.custom_id: line.result async for line in await batches.results(batch_id)}


def test_a_batch_ends_and_has_a_message_for_each_request(run, usual):
    async def do(batches):
        made = await batches.create(requests=requests(usual, "a", "b"))
        polled = await batches.retrieve(made.id)
        return made, polled, await results(batches, made.id)

    made, polled, found = run(do)
    assert (made.processing_status, made.request_counts.processing, made.results_url) == ("in_progress", 2, None)
    assert (polled.processing_status, polled.request_counts.succeeded) == ("ended", 2)
    assert {name: result.type for name, result in found.items()} == {"a": "succeeded", "b": "succeeded"}
    assert found["a"].message.stop_reason == "end_turn"
    assert found["a"].message.usage.service_tier == "batch"


def test_a_batch_takes_as_many_polls_as_it_is_told(double, run, usual):
    double.batch_polls = 2

    async def do(batches):
        made = await batches.create(requests=requests(usual, "a"))
        return [(await batches.retrieve(made.id)).processing_status for _ in range(4)]

    assert run(do) == ["in_progress", "in_progress", "ended", "ended"]


def test_a_batch_can_wait_until_it_is_ended(double, run, usual):
    double.batch_polls = None

    async def do(batches):
        made = await batches.create(requests=requests(usual, "a"))
        before = [(await batches.retrieve(made.id)).processing_status for _ in range(3)]
        with pytest.raises(anthropic.AnthropicError, match="No `results_url`"):
            await batches.results(made.id)
        double.end_batches()
        return before, (await batches.retrieve(made.id)).processing_status

    assert run(do) == (["in_progress"] * 3, "ended")


def test_each_request_may_end_differently(double, run, usual):
    double.script(None, Expired(), Overloaded(), Missing(), Canceled(), RefusalBeforeText(), at="batch_item")

    async def do(batches):
        made = await batches.create(requests=requests(usual, *"abcdef"))
        ended = await batches.retrieve(made.id)
        return ended.request_counts, await results(batches, made.id)

    counts, found = run(do)
    kinds = {name: result.type for name, result in found.items()}
    assert kinds == {"a": "succeeded", "b": "expired", "c": "errored", "e": "canceled", "f": "succeeded"}
    assert found["c"].error.error.type == "overloaded_error"
    assert found["f"].message.stop_reason == "refusal"
    assert (counts.succeeded, counts.errored, counts.canceled, counts.expired) == (3, 1, 1, 1)


def test_a_fault_can_go_by_what_the_request_says(double, run, usual):
    double.script.rule(Expired(), at="batch_item", containing="Contoso")
    other = [{"role": "user", "content": "About Contoso"}]

    async def do(batches):
        asked = requests(usual, "a") + requests(usual, "b", messages=other)
        made = await batches.create(requests=asked)
        await batches.retrieve(made.id)
        return {name: result.type for name, result in (await results(batches, made.id)).items()}

    assert run(do) == {"a": "succeeded", "b": "expired"}


def test_a_wrong_request_in_a_batch_is_found_out_by_its_result(run, usual):
    async def do(batches):
        made = await batches.create(requests=requests(usual, "a", model="claude-2"))
        await batches.retrieve(made.id)
        return await results(batches, made.id)

    assert run(do)["a"].error.error.type == "not_found_error"


def test_results_come_in_any_order(run, usual):
    names = [f"n{number}" for number in range(40)]

    async def do(batches):
        made = await batches.create(requests=requests(usual, *names))
        await batches.retrieve(made.id)
        return list(await results(batches, made.id))

    came = run(do)
    assert sorted(came) == sorted(names)
    assert came != names


def test_a_canceled_batch_ends_with_everything_canceled(double, run, usual):
    double.batch_polls = None

    async def do(batches):
        made = await batches.create(requests=requests(usual, "a", "b"))
        canceling = await batches.cancel(made.id)
        ended = await batches.retrieve(made.id)
        return canceling, ended, await results(batches, made.id)

    canceling, ended, found = run(do)
    assert (canceling.processing_status, ended.processing_status) == ("canceling", "ended")
    assert canceling.cancel_initiated_at is not None
    assert ended.request_counts.canceled == 2
    assert {result.type for result in found.values()} == {"canceled"}


@pytest.mark.parametrize("custom_id", ["", "with space", "x" * 65])
def test_a_custom_id_has_a_form(run, usual, custom_id):
    with pytest.raises(anthropic.BadRequestError, match="custom_id"):
        run(lambda batches: batches.create(requests=requests(usual, custom_id)))


def test_a_custom_id_is_given_once(run, usual):
    with pytest.raises(anthropic.BadRequestError, match="unique"):
        run(lambda batches: batches.create(requests=requests(usual, "a", "a")))


def test_an_unknown_batch_is_not_found(run):
    with pytest.raises(anthropic.NotFoundError):
        run(lambda batches: batches.retrieve("msgbatch_none"))


def test_every_step_of_a_batch_can_fail(double, run, usual):
    for place in ("batches", "batch", "results", "cancel"):
        double.script(ServerError(), at=place)

    async def do(batches):
        with pytest.raises(anthropic.InternalServerError):
            await batches.create(requests=requests(usual, "a"))
        made = await batches.create(requests=requests(usual, "a"))
        for step in (batches.retrieve, batches.cancel):
            with pytest.raises(anthropic.InternalServerError):
                await step(made.id)
        await batches.retrieve(made.id)
        with pytest.raises(anthropic.InternalServerError):
            await batches.results(made.id)

    run(do)
    assert double.script.left() == 0
    assert KEY not in str(double.requests)
