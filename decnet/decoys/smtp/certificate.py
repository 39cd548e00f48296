"""A certificate that the decoy makes for itself, as freshly installed mail servers do; its key is the owner's alone."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from decnet.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_VALID_DAYS = 3_650


def tls_context(folder: Path, host: str) -> ssl.SSLContext:
    """A context for servers with the certificate in ``folder``, made there for ``host`` if there is none.

    :raises SettingsError: the folder cannot be written, or holds what is no certificate.
    """
    path = folder / f"{host}.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_for_owner(path, _made_for(host))
        context.load_cert_chain(path)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{path}: {error}; remove it, or choose another folder with DECNET_DATA_DIR") from None
    return context


def _made_for(host: str) -> bytes:
    """Key and self-signed certificate, PEM, for ten years from yesterday."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host[:64])])
    yesterday = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=yesterday,
        not_valid_after=yesterday + timedelta(days=_VALID_DAYS),
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    written = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return written + certificate.public_bytes(serialization.Encoding.PEM)


def _write_for_owner(path: Path, content: bytes) -> None:
    """Write the file in one step: two decoys that start together agree on whichever came first."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
