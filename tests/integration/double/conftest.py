"""A double, and the official SDK asking it."""

import asyncio

import pytest
from anthropic import AsyncAnthropic

from tests.double import KEY, Double

RECORDS = (
    '<r-7f>{"client": {"name": "Northwind", "preferredLanguage": null}, "contacts": [{"name": "Lee Ngo", "isPrimary":'
    ' false}, {"name": "Dana Whitfield", "isPrimary": true}], "recentActivities": [{"subject": "Paper grades"}],'
    ' "activeDeals": [{"title": "Press line renewal", "amount": "48250.50", "currency": "EUR", "stage": "proposal"}],'
    ' "user": {"name": "Robin Example"}}</r-7f>'
)
USUAL = {
    "model": "claude-haiku-5-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": f"Write a follow-up from these records.\n{RECORDS}"}],
}


@pytest.fixture(scope="module")
def _double():
    with Double() as double:
        yield double


@pytest.fixture
def double(_double):
    """As it was made, for every test."""
    _double.reset()
    return _double


@pytest.fixture
def usual():
    return USUAL


@pytest.fixture
def connect(double):
    """`async with connect() as client:` is the SDK as it is, without its own retries."""

    def connect(**options):
        return AsyncAnthropic(**{"base_url": double.url, "api_key": KEY, "max_retries": 0, "timeout": 20} | options)

    return connect


@pytest.fixture
def ask(connect):
    """Ask once, in one piece or as a stream, and return the message."""

    async def ask_once(stream, options, params):
        async with connect(**options) as client:
            if not stream:
                return await client.messages.create(**USUAL | params)
            async with client.messages.stream(**USUAL | params) as answer:
                return await answer.get_final_message()

    def ask(*, stream=False, options=None, **params):
        return asyncio.run(ask_once(stream, options or {}, params))

    return ask
