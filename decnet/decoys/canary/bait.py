"""Bait as files: real documents that load something from us when they are opened, and secrets that lead back to us.

Keys are worked out from the slug, so the same token always gives the same file; they open nothing anywhere.
"""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.canary import CanaryToken, TokenKind

CALL_BACK = "m"
"""The path below a token that an opened document loads."""
SECRET_USE = "v1"  # noqa: S105 - a path, not a secret
"""The path below a token that a laid-out secret is used at."""
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""

_ZIP_TIME = (2024, 3, 4, 9, 12, 0)
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_A = "http://schemas.openxmlformats.org/drawingml/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@dataclass(frozen=True, slots=True)
class BaitFile:
    """A file to lay out, under a name that somebody would want to open."""

    name: str
    media_type: str
    content: bytes


def bait_file(token: CanaryToken, address: str) -> BaitFile | None:
    """The file of ``token``, which lives at ``address`` (``http://host/c/slug``); None for bait that is no file."""
    make = _FILES.get(token.kind)
    return make(token.slug, address) if make else None


def _document(_slug: str, address: str) -> BaitFile:
    """A Word document with a picture that is linked and not embedded: Word and LibreOffice fetch it."""
    parts = {
        "[Content_Types].xml": (
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/word/document.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
        ),
        "_rels/.rels": _relations(f'Id="rId1" Type="{_R}/officeDocument" Target="word/document.xml"'),
        "word/document.xml": _DOCUMENT,
        "word/_rels/document.xml.rels": _relations(
            f'Id="rId1" Type="{_R}/image" Target={quoteattr(f"{address}/{CALL_BACK}")} TargetMode="External"'
        ),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), (_XML + text).encode(), zipfile.ZIP_DEFLATED)
    media = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    return BaitFile("access-list.docx", media, packed.getvalue())


def _relations(relation: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship {relation}/></Relationships>'


_DOCUMENT = (
    f'<w:document xmlns:w="{_W}" xmlns:r="{_R}" xmlns:a="{_A}/main" xmlns:wp="{_A}/wordprocessingDrawing" '
    f'xmlns:pic="{_A}/picture"><w:body><w:p><w:r><w:t>Access list, internal systems</w:t></w:r></w:p>'
    "<w:p><w:r><w:t>This list is kept by the operations team. Ask there before passing it on.</w:t></w:r></w:p>"
    '<w:p><w:r><w:drawing><wp:inline><wp:extent cx="9525" cy="9525"/><wp:docPr id="1" name="logo"/>'
    f'<a:graphic><a:graphicData uri="{_A}/picture"><pic:pic><pic:nvPicPr><pic:cNvPr id="1" name="logo"/>'
    '<pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:link="rId1"/><a:stretch><a:fillRect/></a:stretch>'
    '</pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="9525" cy="9525"/></a:xfrm>'
    '<a:prstGeom prst="rect"/></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>'
    "</w:body></w:document>"
)


def _pdf(_slug: str, address: str) -> BaitFile:
    """A page whose opening leads to an address: readers ask first, or follow it (PDF 32000-1, 12.6.4.7)."""
    text = b"BT /F1 14 Tf 72 770 Td (Access list, internal systems) Tj ET"
    link = f"{address}/{CALL_BACK}".translate(_PDF_ESCAPES).encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /URI /URI (" + link + b") >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        _PDF_PAGE,
        b"<< /Length " + str(len(text)).encode() + b" >>\nstream\n" + text + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    return BaitFile("access-list.pdf", "application/pdf", _pdf_of(objects))


_PDF_PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
)
_PDF_ESCAPES = str.maketrans({"(": r"\(", ")": r"\)", "\\": r"\\"})


def _pdf_of(objects: tuple[bytes, ...]) -> bytes:
    """Header, objects, the table of where they stand, and a trailer (PDF 32000-1, 7.5)."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(out)


def _aws_key(slug: str, address: str) -> BaitFile:
    """A profile of the AWS command line that names its own endpoint, as it has been able to since version 2.13."""
    key_id = "AKIA" + base64.b32encode(_secret(slug, "aws id", 10)).decode()
    secret = base64.b64encode(_secret(slug, "aws secret", 30)).decode()
    text = (
        f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
        f"region = eu-central-1\nendpoint_url = {address}/{SECRET_USE}\n"
    )
    return BaitFile("credentials", "text/plain", text.encode())


def _api_token(slug: str, address: str) -> BaitFile:
    token = base64.urlsafe_b64encode(_secret(slug, "api token", 30)).decode()
    text = f"API_URL={address}/{SECRET_USE}\nAPI_TOKEN={token}\nAPI_TIMEOUT=30\n"
    return BaitFile("production.env", "text/plain", text.encode())


def _kubeconfig(slug: str, address: str) -> BaitFile:
    token = base64.urlsafe_b64encode(_secret(slug, "kube token", 45)).decode()
    text = (
        "apiVersion: v1\nkind: Config\ncurrent-context: production\n"
        f"clusters:\n- name: production\n  cluster:\n    server: {address}/{SECRET_USE}\n"
        "contexts:\n- name: production\n  context:\n    cluster: production\n    user: deploy\n"
        f"users:\n- name: deploy\n  user:\n    token: {token}\n"
    )
    return BaitFile("config", "application/yaml", text.encode())


def _secret(slug: str, purpose: str, size: int) -> bytes:
    """Bytes that only this token has, and that do not tell its slug."""
    return blake2b(slug.encode(), digest_size=size, person=purpose.encode()).digest()


_FILES: Mapping[TokenKind, Callable[[str, str], BaitFile]] = {
    "api_token": _api_token,
    "aws_key": _aws_key,
    "document": _document,
    "kubeconfig": _kubeconfig,
    "pdf": _pdf,
}
