"""An alert as a webhook gets it: JSON, signed so that a receiver knows who sent it, and when.

The header is ``X-Decnet-Signature: t=1795003200,v1=<64 hex digits>``: the time of sending in seconds since 1970, UTC,
and HMAC-SHA-256 with the hook's secret over that number, a dot, and the body. A receiver computes the same, compares in
constant time, and refuses a time that is minutes away from its own, so that nobody sends an old alert again.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any

import msgspec

from decnet import __version__
from decnet.export.spelling import moment_text
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from decnet.alerts.alert import Alert, Named

SIGNATURE = "X-Decnet-Signature"
DELIVERY = "X-Decnet-Delivery"
SALT_BYTES = 32
_S = 1_000_000
_PREFIX = "whsec_"
_encode = msgspec.json.Encoder().encode


def hook_secret(installation_key: bytes, salt: bytes) -> str:
    """The secret of the hook with that ``salt``: it can be made again by whoever has the key, and by nobody else."""
    digest = hmac.digest(hmac.digest(installation_key, b"decnet webhooks", "sha256"), salt, "sha256")
    return _PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def signature(secret: str, body: bytes, *, at_s: int) -> str:
    """The value of the header for ``body``, sent at ``at_s`` (seconds since 1970, UTC)."""
    digest = hmac.digest(secret.encode(), b"%d." % at_s + body, "sha256")
    return f"t={at_s},v1={digest.hex()}"


def webhook_headers(alert: Alert, secret: str, body: bytes) -> dict[str, str]:
    """What is sent beside ``body``."""
    return {
        "Content-Type": "application/json",
        "User-Agent": f"decnet-ttp/{__version__}",
        DELIVERY: str(alert.id),
        SIGNATURE: signature(secret, body, at_s=alert.sent_at // _S),
    }


def webhook_body(alert: Alert) -> bytes:
    """``alert`` as JSON. Evidence and addresses are what attackers sent: receivers show them as text."""
    told: dict[str, Any] = {
        "id": alert.id,
        "kind": alert.kind,
        "hook": alert.hook,
        "sent_at": alert.sent_at,
        "text": alert.sentence,
    }
    if alert.about is not None:
        told["tag"] = _tag(alert.about)
    if alert.suppressed is not None:
        told["suppressed"] = alert.suppressed
    return _encode(told)


def _tag(about: Named) -> dict[str, Any]:
    tag = about.tag
    return {
        "uuid": uuid_text(tag.uuid),
        "observed_at": tag.observed_at,
        "observed": moment_text(tag.observed_at),
        "tactic": tag.tactic,
        "tactic_name": about.tactic,
        "technique_id": tag.technique_id,
        "sub_technique_id": tag.sub_technique_id,
        "technique_name": about.technique,
        "url": about.url,
        "attack_release": tag.attack_release,
        "confidence": tag.confidence,
        "rule_id": tag.rule_id,
        "rule_version": tag.rule_version,
        "attacker_uuid": uuid_text(tag.attacker_uuid) if tag.attacker_uuid is not None else None,
        "address": tag.address,
        "identity_uuid": uuid_text(tag.identity_uuid),
        "session_id": uuid_text(tag.session_uuid) if tag.session_uuid is not None else None,
        "protocol": tag.protocol,
        "decoy": tag.decoy,
        "source_kind": tag.source_kind,
        "source_id": tag.source_id,
        "evidence": tag.evidence,
    }
