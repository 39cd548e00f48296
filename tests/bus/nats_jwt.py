"""An operator, an account with JetStream and its users, as ``nsc`` makes them (https://docs.nats.io, JWTs in depth)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import nkeys

if TYPE_CHECKING:
    from pathlib import Path

_CONNECTIONS = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
_JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)


class Key:
    """A pair of keys made of ``number``; ``kind`` is a prefix of nkeys."""

    def __init__(self, kind: int, number: int) -> None:
        self.seed: bytes = nkeys.encode_seed(bytes([number]) * 32, kind)
        self._pair = nkeys.from_seed(self.seed)
        self.public: str = self._pair.public_key.decode().rstrip("=")

    def signed(self, subject: Key, **claims: Any) -> str:
        """A JWT in which this key says ``claims`` of ``subject``."""
        payload = {
            "jti": f"{self.public}{subject.public}",
            "iat": 1_790_000_000,
            "iss": self.public,
            "sub": subject.public,
            "name": claims["type"],
            "nats": {"version": 2, **claims},
        }
        text = f"{_base64(_json({'typ': 'JWT', 'alg': 'ed25519-nkey'}))}.{_base64(_json(payload))}"
        return f"{text}.{_base64(self._pair.sign(text.encode()))}"


OPERATOR = Key(nkeys.PREFIX_BYTE_OPERATOR, 1)
SYSTEM, ACCOUNT, FOREIGN = (Key(nkeys.PREFIX_BYTE_ACCOUNT, number) for number in (2, 3, 4))
USER = Key(nkeys.PREFIX_BYTE_USER, 5)


def write_server(path: Path) -> None:
    """A configuration that knows users of :data:`ACCOUNT` alone."""
    limits = {SYSTEM: _CONNECTIONS, ACCOUNT: {**_CONNECTIONS, **_JETSTREAM, "wildcards": True}}
    accounts = {key.public: OPERATOR.signed(key, type="account", limits=its) for key, its in limits.items()}
    path.write_text(
        f"operator: {OPERATOR.signed(OPERATOR, type='operator')}\n"
        f"system_account: {SYSTEM.public}\nresolver: MEMORY\nresolver_preload: {json.dumps(accounts)}\n"
    )


def write_credentials(path: Path, account: Key, *, end: str = "\n") -> None:
    """The file of a user that ``account`` has signed for, with lines that end in ``end``."""
    token = account.signed(USER, type="user", subs=-1, data=-1, payload=-1)
    lines = ["-----BEGIN NATS USER JWT-----", token, "------END NATS USER JWT------", ""]
    lines += ["-----BEGIN USER NKEY SEED-----", USER.seed.decode(), "------END USER NKEY SEED------", ""]
    path.write_bytes(end.join(lines).encode())
    path.chmod(0o600)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
