"""The link that opens an approved mail in a person's own program (RFC 6068)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from agent_service.grounding import to_text
from agent_service.mail.message import is_address, one_line

__all__ = ["LONGEST_LINK", "MailtoLink", "mailto_link"]

# Windows hands programs an address of at most 2,083 characters; longer ones are cut or not opened at all.
LONGEST_LINK = 2_000


@dataclass(frozen=True, slots=True)
class MailtoLink:
    """`url` to open. has_body False: the text is too long for a link, so the person has to paste it."""

    url: str
    has_body: bool


def mailto_link(recipient: str, *, subject: str | None, content: str) -> MailtoLink:
    """Return the link for a draft's recipient (from the CRM), subject and Markdown.

    Raises ValueError if the recipient is not one address.
    """
    if not is_address(recipient):
        raise ValueError("This is not one address that mail can be sent to.")
    local, _, domain = recipient.partition("@")
    # Only what is neither a delimiter of the link nor of a list of addresses stays as it is.
    start = f"mailto:{quote(local, safe='')}@{domain}?subject={quote(one_line(subject or '')[:300], safe='')}"
    # Line breaks in a body are CRLF (RFC 6068, section 5).
    text = "\r\n".join(to_text(content).splitlines())
    whole = f"{start}&body={quote(text, safe='')}"
    if len(whole) <= LONGEST_LINK:
        return MailtoLink(whole, has_body=True)
    return MailtoLink(start if len(start) <= LONGEST_LINK else start.partition("?")[0], has_body=False)
