"""A local HTTP server that plays the providers of threat intelligence, as they document their answers and faults."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server got it."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answers; ``cut`` bytes are promised and not sent, ``drip_s`` passes before each tenth part."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0
    drip_s: float = 0.0


def told(value: Any, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON; ``Retry_After="30"`` is a header."""
    return Reply(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


class ProviderServer:
    """Answers a path with the reply that is set for it, else with 404; every request is kept."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.replies: dict[str, Reply] = {}
        self.asked: list[Asked] = []

    def asked_at(self, path: str) -> list[Asked]:
        """The requests for ``path`` and what is below it."""
        return [one for one in self.asked if one.path.startswith(path)]


@contextmanager
def provider_server() -> Iterator[ProviderServer]:
    """A server on a free port of this host, until the context is left."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"] or 0)))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self, body: bytes) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True)
            site.asked.append(Asked(self.command, parts.path, query, dict(self.headers), body))
            reply = site.replies.get(parts.path, Reply(404, b"{}"))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) + reply.cut))
            self.end_headers()
            step = max(len(reply.body) // 10, 1) if reply.drip_s else max(len(reply.body), 1)
            try:
                for start in range(0, len(reply.body), step):
                    time.sleep(reply.drip_s)
                    self.wfile.write(reply.body[start : start + step])
                    self.wfile.flush()
            except OSError:
                return
            self.close_connection = bool(reply.cut)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that hang up are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    site = ProviderServer(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def abuseipdb_check(address: str, score: int, *reports: list[int], **more: Any) -> dict[str, Any]:
    """The documented answer of ``api/v2/check`` with ``verbose``."""
    data = {
        "ipAddress": address,
        "isPublic": True,
        "ipVersion": 4,
        "isWhitelisted": False,
        "abuseConfidenceScore": score,
        "countryCode": "CN",
        "countryName": "China",
        "usageType": "Data Center/Web Hosting/Transit",
        "isp": "Tencent Cloud Computing (Beijing) Co. Ltd",
        "domain": "tencent.com",
        "hostnames": [],
        "isTor": False,
        "totalReports": len(reports),
        "numDistinctUsers": 1,
        "lastReportedAt": "2018-12-20T20:55:14+00:00",
        "reports": [
            {
                "reportedAt": "2018-12-20T20:55:14+00:00",
                "comment": "Invalid user oracle",
                "categories": categories,
                "reporterId": 1,
                "reporterCountryCode": "US",
                "reporterCountryName": "United States",
            }
            for categories in reports
        ],
    }
    return {"data": data | more}


def greynoise_community(address: str, classification: str, **more: Any) -> dict[str, Any]:
    """The documented answer of ``v3/community/{ip}``."""
    return {
        "ip": address,
        "noise": True,
        "riot": False,
        "classification": classification,
        "name": "unknown",
        "link": f"https://viz.greynoise.io/ip/{address}",
        "last_seen": "2026-11-20",
        "message": "Success",
    } | more


def greynoise_paid(address: str, classification: str, *tags: tuple[str, str]) -> dict[str, Any]:
    """The documented answer of ``v3/ip/{ip}``; tags are slug and name."""
    return {
        "ip": address,
        "business_service_intelligence": {"found": False, "trust_level": ""},
        "internet_scanner_intelligence": {
            "found": True,
            "classification": classification,
            "actor": "unknown",
            "tags": [{"id": slug, "slug": slug, "name": name, "category": "activity"} for slug, name in tags],
        },
    }


def feodo_list(*entries: tuple[str, str]) -> list[dict[str, Any]]:
    """The documented ``ipblocklist.json``; entries are address and family."""
    return [
        {
            "ip_address": address,
            "port": 443,
            "status": "online",
            "hostname": None,
            "as_number": 16276,
            "as_name": "OVH",
            "country": "FR",
            "first_seen": "2021-01-17 07:30:05",
            "last_online": "2026-11-20",
            "malware": family,
        }
        for address, family in entries
    ]


def threatfox_hits(*hits: tuple[str, str, int]) -> dict[str, Any]:
    """The documented answer to ``search_ioc``; hits are indicator, type of threat, and level of confidence."""
    return {
        "query_status": "ok",
        "data": [
            {
                "id": "12",
                "ioc": ioc,
                "threat_type": threat_type,
                "threat_type_desc": "…",
                "ioc_type": "ip:port",
                "ioc_type_desc": "ip:port combination that is used for botnet Command&control (C&C)",
                "malware": "win.cobalt_strike",
                "malware_printable": "Cobalt Strike",
                "malware_alias": "Agentemis,BEACON,CobaltStrike",
                "malware_malpedia": "https://malpedia.caad.fkie.fraunhofer.de/details/win.cobalt_strike",
                "confidence_level": level,
                "first_seen": "2020-12-06 09:10:23 UTC",
                "last_seen": None,
                "reference": None,
                "reporter": "abuse_ch",
                "tags": None,
            }
            for ioc, threat_type, level in hits
        ],
    }


NO_RESULT = {"query_status": "no_result", "data": "Your search did not yield any results"}
QUOTA_SPENT = {
    "errors": [
        {
            "detail": "Daily rate limit of 1000 requests exceeded for this endpoint.",
            "status": 429,
        }
    ]
}
