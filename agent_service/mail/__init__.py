"""Mail: the message, the link that opens it in a person's own program, the server, the job that sends."""

from __future__ import annotations

from agent_service.mail.mailto import MailtoLink, mailto_link
from agent_service.mail.message import build_message, is_address
from agent_service.mail.sending import send_handler
from agent_service.mail.server import MailServer, server_of

__all__ = ["MailServer", "MailtoLink", "build_message", "is_address", "mailto_link", "send_handler", "server_of"]
