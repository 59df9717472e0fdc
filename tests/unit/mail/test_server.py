"""SMTP_URL, and what each failure of a mail server means for the mail."""

import asyncio

import pytest
from pydantic import SecretStr

from agent_service.errors import ConfigurationError, MailDeferredError, MailSetupError
from agent_service.mail import build_message, server_of
from tests.mail_server import DROP, PASSWORD, USER, MailServerDouble, write_certificate
from tests.unit.mail.test_message import mail


@pytest.fixture(scope="module")
def server():
    with MailServerDouble() as double:
        yield double


def deliver(url):
    async def main():
        async with server_of(SecretStr(url)).session() as session:
            return await session.deliver(build_message(mail()))

    return asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize(
    ("answers", "outcome", "reply"),
    [
        ({}, "sent", "250 Taken"),
        ({"MAIL": "451 Busy"}, "deferred", "451 Busy"),
        ({"MAIL": "550 Not you"}, "refused", "550 Not you"),
        ({"MAIL": DROP}, "deferred", None),
        ({"RCPT": "450 Greylisted"}, "deferred", "450 Greylisted"),
        ({"RCPT": "550 No such user"}, "refused", "550 No such user"),
        ({"RCPT": DROP}, "deferred", None),
        ({"DATA": "451 Disk full"}, "deferred", "451 Disk full"),
        ({"DATA": "554 Spam"}, "refused", "554 Spam"),
        ({"DATA": DROP}, "unknown", None),
        ({"DATA": DROP, "DATA_KEPT": "yes"}, "unknown", None),
        ({"DATA": "354 What"}, "unknown", "354 What"),
    ],
)
def test_each_answer_has_its_meaning(server, answers, outcome, reply):
    server.answers, before = answers, len(server.accepted)
    delivered = deliver(server.url())
    assert delivered.outcome == outcome
    assert reply in {None, delivered.reply}
    assert len(server.accepted) - before == (outcome == "sent" or "DATA_KEPT" in answers)


def test_the_password_goes_over_starttls_alone(tmp_path, monkeypatch):
    certificate = write_certificate(tmp_path)
    with MailServerDouble(certificate=certificate) as server:
        address = f"127.0.0.1:{server.port}"
        known = f"{USER}:a%20secret%3A%20with%2Fsigns%40"
        with pytest.raises(MailSetupError, match="certificate"):
            deliver(f"smtp://{known}@{address}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert deliver(f"smtp://{known}@{address}").outcome == "sent"
        with pytest.raises(MailSetupError, match="535"):
            deliver(f"smtp://{USER}:wrong@{address}")
    assert PASSWORD not in repr(server_of(SecretStr(f"smtp://{known}@{address}")))


def test_a_server_without_starttls_gets_nothing(server):
    with pytest.raises(MailSetupError):
        deliver(server.url(options=""))


def test_a_server_that_is_away_has_been_handed_nothing():
    with MailServerDouble() as server:
        url = server.url()
    with pytest.raises(MailDeferredError):
        deliver(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://mail.example", "is not an smtp:// URL"),
        ("smtp://mail.example?starttls=no", "turns encryption off"),
        ("smtp://mail.example?tls=off", "options that there are not"),
        ("smtp://someone@mail.example", "user without a password"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url, problem):
    with pytest.raises(ConfigurationError, match=problem):
        server_of(SecretStr(url))


@pytest.mark.parametrize(
    ("url", "port", "is_tls"),
    [("smtp://m.example", 587, False), ("smtps://m.example", 465, True)],
)
def test_both_ways_are_encrypted(url, port, is_tls):
    server = server_of(SecretStr(url))
    assert (server.port, server.is_tls, server.is_tls or server.starttls) == (port, is_tls, True)
