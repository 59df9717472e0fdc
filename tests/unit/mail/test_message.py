"""What goes over the wire, and what nobody can put into it."""

import datetime as dt
import email
import email.policy
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from agent_service.jobs import Mail
from agent_service.mail import build_message, is_address, mailto_link
from agent_service.mail.mailto import LONGEST_LINK

CONTENT = "Dear *Dana*,\n\nas **agreed**:\n\n- one <b>\n- two\n\nAda"


def mail(**changed):
    parts = {
        "state": "begun", "from_address": "ada@example.com", "from_name": "Ada Ek", "to": "dana@acme.example",
        "subject": "News", "content": CONTENT, "message_id": "<d1.abc@example.com>",
    }  # fmt: skip
    return Mail(**parts | changed)


def parsed(built):
    return email.message_from_bytes(built.as_bytes(), policy=email.policy.default)


def headers(built):
    return [name for name, _ in parsed(built).items()]


PLAIN = ["From", "To", "Subject", "Date", "Message-ID", "Content-Type", "MIME-Version"]


def test_a_mail_is_text_and_the_same_as_html():
    built = parsed(build_message(mail(signature="Team <x>\nOslo"), now=dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)))
    assert built["From"] == "Ada Ek <ada@example.com>"
    assert built["Date"] == "Mon, 23 Nov 2026 09:00:00 +0000"
    text, page = (part.get_content().replace("\r\n", "\n") for part in built.iter_parts())
    assert text == "Dear Dana,\n\nas agreed:\n\n- one <b>\n- two\n\nAda\n\n-- \nTeam <x>\nOslo\n"
    assert "<em>Dana</em>" in page
    assert "<li>one &lt;b&gt;</li>" in page
    assert "<p>Team &lt;x&gt;<br>\nOslo</p>" in page


def test_a_reply_names_the_thread():
    references = tuple(f"<{number}@acme.example>" for number in range(30))
    built = parsed(build_message(mail(references=references, reply_to="ada@elsewhere.example")))
    assert built["In-Reply-To"] == "<29@acme.example>"
    assert built["References"].split() == [references[0], *references[-10:]]
    assert built["Reply-To"] == "ada@elsewhere.example"
    assert "In-Reply-To" not in headers(build_message(mail()))


def test_long_ids_stay_as_they_are():
    references = tuple(f"<{number * 40}@a-long-name-of-a-company.example>" for number in "1234")
    raw = build_message(mail(references=references, message_id=references[0])).as_bytes()
    lines = raw.decode("ascii").partition("\r\n\r\n")[0].split("\r\n")
    at = lines.index(f"References: {references[0]}")
    assert lines[at + 1 : at + 4] == [f" {reference}" for reference in references[1:]]
    assert f"In-Reply-To: {references[3]}" in lines
    assert f" {references[0]}" in lines[lines.index("Message-ID:") + 1 :] or f"Message-ID: {references[0]}" in lines


BREAKS = ["\r\n", "\n", "\r", "\r\n ", "\n\t", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0\r\n"]
ADDED = ["Bcc: thief@evil.example", "To: thief@evil.example", "\r\nHello <b>body</b>"]
TEXTS = [f"News{line}{added}" for line in BREAKS for added in ADDED]
ADDRESSES = [
    "dana@acme.example\r\nBcc: thief@evil.example", "dana@acme.example\nBcc: thief@evil.example",
    "dana@acme.example, thief@evil.example", "dana@acme.example;thief@evil.example",
    "Dana <thief@evil.example>", "<dana@acme.example>", "dana@acme.example>\r\nRCPT TO:<thief@evil.example",
    "dana@acme.example?bcc=thief@evil.example", "dana@acme.example&bcc=thief@evil.example",
    "dana@acme.example%0D%0ABcc:thief@evil.example", "dana@acme.example ", " dana@acme.example",
    "dana@acme.example\n", "dana@acme.example\0", "@evil.example:dana@acme.example", '"a\r\nb"@acme.example',
    '"dana, thief"@acme.example', "dana@[127.0.0.1]", "dana@", "@acme.example", "dana", "", "dana@acme..example",
    "dana@-acme.example",
]  # fmt: skip


def test_there_are_sixty_payloads():
    assert len(set(TEXTS)) + len(set(ADDRESSES)) == 60


@pytest.mark.parametrize("payload", TEXTS, ids=ascii)
def test_no_text_adds_a_header_or_a_recipient(payload):
    for field in ("subject", "from_name", "language"):
        built = build_message(mail(**{field: payload}))
        assert sorted(headers(built)) == sorted(PLAIN)
        assert [box.addr_spec for box in parsed(built)["To"].addresses] == ["dana@acme.example"]
        assert [box.addr_spec for box in parsed(built)["From"].addresses] == ["ada@example.com"]
    link = mailto_link("dana@acme.example", subject=payload, content=payload).url
    asked = parse_qs(urlsplit(link).query)
    assert (urlsplit(link).path, set(asked)) == ("dana@acme.example", {"subject", "body"})
    assert not any(ord(char) < 32 for char in asked["subject"][0])


@pytest.mark.parametrize("payload", ADDRESSES, ids=ascii)
def test_what_is_not_one_address_is_written_to_nowhere(payload):
    assert not is_address(payload)
    for field in ("from_address", "to"):
        with pytest.raises(ValueError, match="not one address"):
            build_message(mail(**{field: payload}))
    if payload:
        with pytest.raises(ValueError, match="not one address"):
            build_message(mail(reply_to=payload))
    with pytest.raises(ValueError, match="not one address"):
        mailto_link(payload, subject="News", content="Hello")


@pytest.mark.parametrize("line", ["\r\n", "\n", " ", ">"])
def test_no_id_of_a_message_adds_a_header(line):
    bad = f"<a{line}Bcc: thief@evil.example>"
    with pytest.raises(ValueError, match="id of a message"):
        build_message(mail(message_id=bad))
    built = build_message(mail(references=("<1@acme.example>", bad)))
    assert parsed(built)["References"] == "<1@acme.example>"
    assert sorted(headers(built)) == sorted([*PLAIN, "In-Reply-To", "References"])


def test_a_link_opens_the_mail_as_it_is():
    content = "Grüße & 100 % + mehr?\n\nZeile\\\nzwei"
    link = mailto_link("dana+crm@acme.example", subject="Über #1 & mehr", content=content)
    path, _, query = link.url.partition("?")
    assert unquote(path) == "mailto:dana+crm@acme.example"
    subject, body = (unquote(part.partition("=")[2]) for part in query.split("&"))
    assert (subject, body) == ("Über #1 & mehr", "Grüße & 100 % + mehr?\r\n\r\nZeile\r\nzwei")
    assert link.has_body
    assert "+" not in link.url
    assert link.url.isascii()


@pytest.mark.parametrize(("subject", "length", "start"), [("News", 3000, "?subject=News"), ("ü" * 300, 10, "?subject")])
def test_a_link_is_never_longer_than_programs_take(subject, length, start):
    link = mailto_link("dana@acme.example", subject=subject, content="x" * length)
    assert len(link.url) <= LONGEST_LINK
    assert not link.has_body or length == 10
    assert start in link.url


def test_a_long_text_is_left_out_whole():
    assert mailto_link("a@b.example", subject="S", content="x" * 3000).url == "mailto:a@b.example?subject=S"
