"""The keys of one local stack: the API keys clients send, and the keys that sign and verify tokens."""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

__all__ = ["PUBLISHABLE_KEY", "StackKeys"]

# The Supabase CLI's, so that a frontend set up for `supabase start` works here unchanged. It opens nothing by itself.
PUBLISHABLE_KEY = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"
TEN_YEARS = 10 * 365 * 86400


@dataclass
class StackKeys:
    """Users' tokens are signed with ES256 by Auth alone; the agent's with HS256 inside the database, from Vault.

    `trusted` is what the gateway verifies with. `trust` and `revoke` change it while the gateway runs, as one does
    with a project's signing keys; which of the trusted secrets signs is the database's business.
    """

    publishable_key: str
    secret_key: str = field(repr=False)
    user_kid: str
    user_private_key: str = field(repr=False)
    """PEM, PKCS 8, P-256."""
    shared_secrets: dict[str, str] = field(repr=False)
    """By kid: the secrets whose HS256 is trusted. Their UTF-8 bytes are the keys."""

    def __post_init__(self) -> None:
        self.trusted: tuple[PyJWK, ...] = self._read_trusted()

    @classmethod
    def generate(cls) -> Self:
        """Return new random keys; only the publishable key is always the same."""
        private_key = ec.generate_private_key(ec.SECP256R1())
        pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(
            publishable_key=PUBLISHABLE_KEY,
            secret_key=f"sb_secret_{secrets.token_urlsafe(24)}",
            user_kid=str(uuid.uuid4()),
            user_private_key=pem.decode(),
            shared_secrets={str(uuid.uuid4()): secrets.token_hex(32)},
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        if "agent_kid" in kept:  # by a version that trusted one secret for ever
            kept["shared_secrets"] = {kept.pop("agent_kid"): kept.pop("agent_secret")}
        return cls(**kept)

    def save(self, path: Path) -> None:
        """Write to a file that only its owner may read."""
        with open(path, "w", encoding="utf-8", opener=_private) as file:
            json.dump(asdict(self), file, indent=2)

    @property
    def agent_kid(self) -> str:
        """The key id of the oldest secret that is trusted; on a new stack the one that signs."""
        return next(iter(self.shared_secrets))

    @property
    def agent_secret(self) -> str:
        """The secret of `agent_kid`."""
        return self.shared_secrets[self.agent_kid]

    def trust(self, kid: str, secret: str) -> None:
        """Verify with this secret, too."""
        self.shared_secrets = {**self.shared_secrets, kid: secret}
        self.trusted = self._read_trusted()

    def revoke(self, kid: str) -> None:
        """Trust a secret no longer: with the next request what it signed is nobody's."""
        self.shared_secrets = {name: secret for name, secret in self.shared_secrets.items() if name != kid}
        self.trusted = self._read_trusted()

    def jwks_public(self) -> dict[str, list[dict[str, Any]]]:
        """Return the key set that Auth publishes: never a symmetric key."""
        public: dict[str, Any] = ECAlgorithm.to_jwk(self._private_key.public_key(), as_dict=True)
        about = {"kid": self.user_kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": True}
        return {"keys": [public | about]}

    def jwks_trusted(self) -> dict[str, list[dict[str, Any]]]:
        """Return the key set that the gateway verifies with: Auth's, and the shared secrets."""
        shared = [
            {"kty": "oct", "k": _encoded(secret), "kid": kid, "alg": "HS256", "key_ops": ["verify"], "ext": True}
            for kid, secret in self.shared_secrets.items()
        ]
        return {"keys": [*self.jwks_public()["keys"], *shared]}

    def _read_trusted(self) -> tuple[PyJWK, ...]:
        return tuple(PyJWK.from_dict(key) for key in self.jwks_trusted()["keys"])

    def sign_user_token(self, claims: Mapping[str, Any]) -> str:
        """Return a token of Supabase Auth with exactly these claims."""
        return jwt.encode(dict(claims), self._private_key, algorithm="ES256", headers={"kid": self.user_kid})

    @cached_property
    def anon_jwt(self) -> str:
        """What the publishable key stands for behind the gateway."""
        return self._role_token("anon")

    @cached_property
    def service_role_jwt(self) -> str:
        """What the secret key stands for behind the gateway."""
        return self._role_token("service_role")

    def _role_token(self, role: str) -> str:
        now = int(time.time())
        return self.sign_user_token({"iss": "supabase-devstack", "role": role, "iat": now, "exp": now + TEN_YEARS})

    @cached_property
    def _private_key(self) -> ec.EllipticCurvePrivateKey:
        key = load_pem_private_key(self.user_private_key.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("The user key is not an elliptic curve key. Remove the stack's folder and start again.")
        return key


def _encoded(secret: str) -> str:
    return base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
