"""A small STIX bundle, in the shape of MITRE's, and a way to serve it over https."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Stix = dict[str, Any]


def _ref(attack_id: str) -> list[Stix]:
    return [
        {"source_name": "capec", "external_id": "CAPEC-1"},
        {"source_name": "mitre-attack", "external_id": attack_id},
    ]


def technique(attack_id: str, name: str, *phases: str, **more: Any) -> Stix:
    """An attack-pattern; ``phases`` are tactic short names."""
    return {
        "type": "attack-pattern",
        "id": f"attack-pattern--{attack_id}",
        "name": name,
        "external_references": _ref(attack_id),
        "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": phase} for phase in phases],
        "x_mitre_platforms": ["Linux"],
        "description": "read by nobody",
        **more,
    }


def revoked_by(old: str, new: str) -> Stix:
    return {
        "type": "relationship",
        "id": f"relationship--{old}",
        "relationship_type": "revoked-by",
        "source_ref": f"attack-pattern--{old}",
        "target_ref": f"attack-pattern--{new}",
    }


def tactic(attack_id: str, name: str, shortname: str) -> Stix:
    return {
        "type": "x-mitre-tactic",
        "id": f"x-mitre-tactic--{attack_id}",
        "name": name,
        "x_mitre_shortname": shortname,
        "external_references": _ref(attack_id),
    }


def matrix(*tactic_ids: str, domain: str = "enterprise-attack") -> Stix:
    return {
        "type": "x-mitre-matrix",
        "id": "x-mitre-matrix--1",
        "name": "Enterprise ATT&CK",
        "external_references": _ref(domain),
        "tactic_refs": [f"x-mitre-tactic--{attack_id}" for attack_id in tactic_ids],
    }


def collection(version: str = "90.0") -> Stix:
    return {"type": "x-mitre-collection", "id": "x-mitre-collection--1", "x_mitre_version": version}


def bundle_of(objects: list[Stix]) -> bytes:
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}).encode()


@pytest.fixture
def objects() -> list[Stix]:
    """A release 90.0 in which one technique was renamed, one revoked, one deprecated, one moved to another tactic."""
    return [
        collection(),
        {"type": "marking-definition", "definition": {"statement": "Copyright 2027, The MITRE Corporation."}},
        matrix("TA0001", "TA0002", "TA0011"),
        tactic("TA0011", "Command and Control", "command-and-control"),
        tactic("TA0002", "Execution", "execution"),
        tactic("TA0001", "Initial Access", "initial-access"),
        technique("T1059", "Command Interpreter", "execution"),
        technique("T1059.004", "Unix Shell", "execution"),
        technique("T1105", "Ingress Tool Transfer", "execution"),
        technique("T1190", "Exploit Public-Facing Application", revoked=True),
        technique("T1866", "Exploitation", "initial-access"),
        technique("T1133", "External Remote Services", x_mitre_deprecated=True),
        revoked_by("T1190", "T1866"),
        {"type": "malware", "id": "malware--1", "name": "skipped", "x_mitre_aliases": [1, 2]},
    ]


@pytest.fixture
def bundle(objects: list[Stix]) -> bytes:
    return bundle_of(objects)


@dataclass(frozen=True)
class HttpsSite:
    """Serves what ``pages`` holds: bytes, or a path or URL to go to."""

    url: str
    tls: ssl.SSLContext
    pages: dict[str, bytes | str]


@pytest.fixture
def https_site(tmp_path: Path) -> Iterator[HttpsSite]:
    pages: dict[str, bytes | str] = {}
    certificate, key = _self_signed(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), _handler(pages))
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate, key)
    server.socket = server_tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield HttpsSite(
        f"https://127.0.0.1:{server.server_port}", ssl.create_default_context(cafile=str(certificate)), pages
    )
    server.shutdown()
    thread.join()
    server.server_close()


def _handler(pages: dict[str, bytes | str]) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path, b"")
            self.send_response(302 if isinstance(page, str) else 200)
            if isinstance(page, str):
                self.send_header("Location", page)
            self.end_headers()
            if isinstance(page, bytes):
                self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

    return Handler


def _self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "site.crt", folder / "site.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path
