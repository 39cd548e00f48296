from __future__ import annotations

import configparser
import io
import zipfile
from xml.etree import ElementTree as ET

import pytest
import yaml

from decnet.decoys.canary.bait import BaitFile, bait_file
from decnet.models.canary import FILE_KINDS, KEY_KINDS, TOKEN_KINDS, CanaryToken, TokenKind
from tests.events import NOON

SLUG = "Abc-_" * 4 + "xyz1"
ADDRESS = f"https://files.example.org/c/{SLUG}"


def bait(kind: TokenKind, slug: str = SLUG) -> BaitFile:
    made = bait_file(CanaryToken(slug, kind, "label", NOON), ADDRESS)
    assert made is not None
    return made


def test_keys_and_documents_are_files_and_nothing_else_is() -> None:
    files = {kind for kind in TOKEN_KINDS if bait_file(CanaryToken(SLUG, kind, "", NOON), ADDRESS) is not None}
    assert files == FILE_KINDS | KEY_KINDS


def test_a_document_is_well_formed_and_links_its_picture_to_us() -> None:
    with zipfile.ZipFile(io.BytesIO(bait("document").content)) as archive:
        assert archive.testzip() is None
        parts = {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}  # noqa: S314 - our own
    (relation,) = parts["word/_rels/document.xml.rels"]
    assert relation.attrib["Target"] == f"{ADDRESS}/m"
    assert relation.attrib["TargetMode"] == "External"
    linked = [
        value
        for part in parts["word/document.xml"].iter()
        for name, value in part.attrib.items()
        if name.endswith("}link")
    ]
    assert linked == [relation.attrib["Id"]]


def test_a_pdf_says_where_its_objects_stand_and_opens_an_address_of_ours() -> None:
    content = bait("pdf").content
    table = int(content.rpartition(b"startxref\n")[2].partition(b"\n")[0])
    places = [int(line[:10]) for line in content[table:].split(b"\n")[3:8]]
    assert [content[place:].split(b" ", 1)[0] for place in places] == [b"1", b"2", b"3", b"4", b"5"]
    assert f"/OpenAction << /S /URI /URI ({ADDRESS}/m) >>".encode() in content


def test_secrets_are_in_the_form_of_their_service_and_lead_back_to_us() -> None:
    profile = configparser.ConfigParser()
    profile.read_string(bait("aws_key").content.decode())
    cluster = yaml.safe_load(bait("kubeconfig").content)
    variables = dict(line.split("=", 1) for line in bait("api_token").content.decode().splitlines())
    assert profile["default"]["endpoint_url"] == f"{ADDRESS}/v1"
    assert len(profile["default"]["aws_access_key_id"]) == 20
    assert len(profile["default"]["aws_secret_access_key"]) == 40
    assert cluster["clusters"][0]["cluster"]["server"] == f"{ADDRESS}/v1"
    assert variables["API_URL"] == f"{ADDRESS}/v1"


@pytest.mark.parametrize("kind", TOKEN_KINDS)
def test_a_token_always_gives_the_same_file_and_another_token_another(kind: TokenKind) -> None:
    token = CanaryToken(SLUG, kind, "", NOON)
    assert bait_file(token, ADDRESS) == bait_file(token, ADDRESS)
    if kind in KEY_KINDS:
        assert bait(kind, "z" * 24).content != bait(kind).content


@pytest.mark.parametrize("kind", sorted(KEY_KINDS))
def test_a_file_tells_no_label(kind: TokenKind) -> None:
    assert b"label" not in bait(kind).content
