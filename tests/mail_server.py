"""A real SMTP server on loopback that keeps what it accepted and can be told to misbehave."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

DROP = "drop"
USER, PASSWORD = "mailer", "a secret: with/signs@"


class MailServerDouble:
    """`answers` maps a command (MAIL, RCPT, DATA) to a reply to give instead, or to DROP the connection there.

    DATA_KEPT: the reply after which it keeps the mail all the same, as when a connection breaks just then.
    """

    def __init__(self, *, certificate: Path | None = None, seconds: float = 0.0) -> None:
        self.answers: dict[str, str] = {}
        self.accepted: list[EmailMessage] = []
        self.seconds = seconds
        self.on_data: Callable[[], object] | None = None
        self._controller = _controller(self, certificate)

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def url(self, *, options: str = "?starttls=no") -> str:
        return f"smtp://127.0.0.1:{self.port}{options}"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._controller.stop()

    def _reply(self, command: str, server: Any) -> str | None:
        answer = self.answers.get(command)
        if answer == DROP:
            server.transport.abort()
        return answer

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        envelope.mail_from = address
        return self._reply("MAIL", server) or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self._reply("RCPT", server) or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.on_data is not None:
            self.on_data()
        reply = self._reply("DATA", server)
        if reply is None or "DATA_KEPT" in self.answers:
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            message["X-Envelope"] = ", ".join([envelope.mail_from, *envelope.rcpt_tos])
            self.accepted.append(message)  # type: ignore[arg-type]
        if self.seconds:
            import asyncio  # noqa: PLC0415

            await asyncio.sleep(self.seconds)
        return reply or "250 Taken"


def _controller(handler: MailServerDouble, certificate: Path | None) -> Controller:
    options: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        options = {
            "tls_context": context,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": lambda _server, _session, _envelope, _mechanism, data: AuthResult(
                success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False
            ),
        }
    return Controller(handler, hostname="127.0.0.1", port=_free_port(), **options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file that clients can trust as well."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
