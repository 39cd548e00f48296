"""Where alerts may go, and which spellings of forbidden places are seen through."""

from __future__ import annotations

import pytest

from decnet.alerts.target import AllowedNetworks, format_for, target_of
from decnet.errors import SettingsError, TargetRefused

FORBIDDEN = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.251",
    "240.0.0.1",
    "255.255.255.255",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2001:0:7f00:1::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
]
PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(TargetRefused):
        AllowedNetworks().check(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    AllowedNetworks().check(address)


def test_what_the_operator_names_is_allowed_and_nothing_else() -> None:
    allowed = AllowedNetworks(["10.1.0.0/16", "127.0.0.1"])
    assert allowed.check("10.1.2.3") == "10.1.2.3"
    assert allowed.check("::ffff:127.0.0.1") == "127.0.0.1"
    for address in ("10.2.0.1", "127.0.0.2", "::1"):
        with pytest.raises(TargetRefused, match="DECNET_WEBHOOK_NETWORKS"):
            allowed.check(address)


def test_a_network_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match="DECNET_WEBHOOK_NETWORKS: 'intranet' is no address and no network"):
        AllowedNetworks(["intranet"])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "soc.example.org",
        "//soc.example.org/",
        "https://",
        "https:///path",
        "ftp://soc.example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/_HELO",
        "javascript:alert(1)",
        "https://user@soc.example.org/",
        "https://user:pass@soc.example.org/",
        "https://soc.example.org@127.0.0.1/",
        "https://127.0.0.1#@soc.example.org/",
        "https://soc.example.org/#fragment",
        "https://soc.example.org\\@127.0.0.1/",
        "https://soc.example.org/a b",
        "https://soc.example.org/\r\nHost: x",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://1.2.3.4.5/",
        "http://127.0.0.0x1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://a..b/",
        "http://.a/",
        "http://-a/",
        "http://a:b/",
        "http://soc.example.org:0/",
        "http://soc.example.org:70000/",
        "http://soc.example.org:22/",
        "http://soc.example.org:25/",
        "udp://logs.example.org/path",
        "tcp://logs.example.org?x",
        "tls://me@logs.example.org",
        "https://" + "a" * 64 + ".example.org/",
        "https://soc.example.org/" + "a" * 2_000,
    ],
)
def test_a_url_that_is_none_of_a_receiver_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        target_of(url)


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("https://soc.example.org", "https://soc.example.org:443", "/"),
        ("https://SOC.example.org./a?key=1", "https://soc.example.org.:443", "/a?key=1"),
        ("http://192.0.2.1:8080/x", "http://192.0.2.1:8080", "/x"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443", "/"),
        ("udp://logs.example.org", "udp://logs.example.org:514", ""),
        ("tcp://logs.example.org", "tcp://logs.example.org:601", ""),
        ("tls://logs.example.org:10514/", "tls://logs.example.org:10514", ""),
    ],
)
def test_a_receiver_is_read(url: str, shown: str, path: str) -> None:
    target = target_of(url)
    assert (target.shown, target.path) == (shown, path)


def test_the_host_header_has_a_port_where_it_is_not_the_usual_one() -> None:
    assert target_of("https://soc.example.org/").host_header == "soc.example.org"
    assert target_of("https://[2001:db8::1]:8443/").host_header == "[2001:db8::1]:8443"


def test_each_scheme_has_its_formats() -> None:
    web, log = target_of("https://soc.example.org/"), target_of("udp://logs.example.org")
    assert (format_for(web, None), format_for(log, None), format_for(log, "cef")) == ("json", "rfc5424", "cef")
    with pytest.raises(TargetRefused, match="https:// takes json, not cef"):
        format_for(web, "cef")
    with pytest.raises(TargetRefused, match="udp:// takes rfc5424 or cef, not json"):
        format_for(log, "json")
