"""A mail as it goes over the wire: text and HTML of the approved Markdown, and headers that nobody can add to."""

from __future__ import annotations

import datetime as dt
import html
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime

from agent_service.grounding import to_html, to_text
from agent_service.jobs import Mail

__all__ = ["build_message", "is_address", "one_line"]

# One mailbox in ASCII, as servers take it without extensions: no display name, no list, no quotes, no route.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*\Z")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>\Z")
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


class _Policy(EmailPolicy):
    """As email.policy.SMTP, but that writes an id longer than a line as an encoded word, which ends every thread."""

    def fold(self, name: str, value: str) -> str:
        if name not in {"In-Reply-To", "References"}:
            return str(super().fold(name, value))
        return f"{name}: {(self.linesep + ' ').join(value.split())}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        if name not in {"In-Reply-To", "References"}:
            return super().fold_binary(name, value)
        return self.fold(name, value).encode("ascii")


_POLICY = _Policy(linesep="\r\n")


def is_address(text: str) -> bool:
    """Whether this is one mailbox that a mail can be sent to."""
    return _ADDRESS.match(text) is not None


def one_line(text: str) -> str:
    """Return text that is safe in a header: line breaks, control and bidirectional characters become a space."""
    return " ".join(_NOT_SHOWN.sub(" ", text).split())


def build_message(mail: Mail, *, now: dt.datetime | None = None) -> EmailMessage:
    """Return the message of a mail that has begun to be sent. Raises ValueError for an address that is none."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = _mailbox(mail.from_address, mail.from_name)
    if mail.reply_to:
        message["Reply-To"] = _mailbox(mail.reply_to)
    message["To"] = _mailbox(mail.to)
    message["Subject"] = one_line(mail.subject or "")
    message["Date"] = format_datetime(now or dt.datetime.now(dt.UTC))
    if not _MESSAGE_ID.match(mail.message_id):
        raise ValueError("This is not the id of a message.")
    message["Message-ID"] = mail.message_id
    if references := [reference for reference in mail.references if _MESSAGE_ID.match(reference)]:
        message["In-Reply-To"] = references[-1]
        # The first and the last: long threads must not make a header that servers refuse.
        message["References"] = " ".join([*references[:-10][:1], *references[-10:]])
    message.set_content(_with_signature(mail), cte="quoted-printable")
    message.add_alternative(_page(mail), subtype="html", cte="quoted-printable")
    return message


def _mailbox(address: str, name: str | None = None) -> Address:
    if not is_address(address):
        raise ValueError("This is not one address that mail can be sent to.")
    return Address(one_line(name or ""), addr_spec=address)


def _with_signature(mail: Mail) -> str:
    text = to_text(mail.content)
    return f"{text}\n\n-- \n{mail.signature}\n" if mail.signature else f"{text}\n"


def _page(mail: Mail) -> str:
    signature = html.escape(mail.signature or "").replace("\n", "<br>\n")
    below = f"<p>{signature}</p>\n" if signature else ""
    language = html.escape(mail.language, quote=True)
    head = '<head><meta charset="utf-8"></head>'
    return f'<!doctype html>\n<html lang="{language}">{head}<body>\n{to_html(mail.content)}{below}</body></html>\n'
