"""What providers list as their own categories, where a program can read it.

AbuseIPDB lists them on a page for people only (https://www.abuseipdb.com/categories), and Feodo Tracker has none.

ThreatFox answers ``{"query": "types"}`` (https://threatfox.abuse.ch/api/#types)::

    {"query_status": "ok", "data": {"1": {"ioc_type": "url", "fk_threat_type": "payload_delivery",
                                          "description": "URL that delivers a malware payload"}}}

GreyNoise answers ``v3/tags`` to those who pay (https://docs.greynoise.io/reference/get_v3-tags)::

    {"metadata": [{"slug": "ssh-bruteforcer", "name": "SSH Bruteforcer", "intention": "malicious"}]}
"""

from __future__ import annotations

import msgspec

from decnet.intel.greynoise import tag_name
from decnet.intel.http import Site, decoded
from decnet.models.intel import MAX_TEXT


class _Type(msgspec.Struct):
    fk_threat_type: str
    description: str | None = ""


class _Types(msgspec.Struct):
    data: dict[str, _Type]


class _Tag(msgspec.Struct):
    slug: str = ""
    name: str = ""


class _Tags(msgspec.Struct):
    metadata: list[_Tag]


async def threatfox_types(key: str, url: str) -> dict[int | str, str]:
    """Description of each type of threat.

    :raises ProviderFailed: there is no list that can be read.
    """
    site = Site("threatfox", url, {"Auth-Key": key})
    try:
        answer = await site.ask("POST", site.url, json={"query": "types"})
    finally:
        await site.aclose()
    types = decoded("threatfox", answer.body, _Types).data.values()
    return {one.fk_threat_type[:MAX_TEXT]: (one.description or "")[:MAX_TEXT] for one in types}


async def greynoise_tags(key: str, url: str) -> dict[int | str, str]:
    """Name of each tag; the tags in the spelling of our table.

    :raises ProviderFailed: there is no list that can be read; the free plan has none.
    """
    site = Site("greynoise", url, {"key": key})
    try:
        answer = await site.ask("GET", site.url)
    finally:
        await site.aclose()
    tags = decoded("greynoise", answer.body, _Tags).metadata
    return {tag_name(tag.slug or tag.name): tag.name[:MAX_TEXT] for tag in tags if tag.slug or tag.name}
