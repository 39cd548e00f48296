"""One release of ATT&CK, to look things up in.

Where a release comes from, first found wins:

1. ``<overlay>/<release>.json``, written by ``decnet attack update`` (the overlay is ``attack/`` in the data folder);
2. the releases that ship with the package, :func:`bundled_releases`.

Which release of a domain is the current one: what ``<overlay>/current.json`` says
(``{"enterprise": "enterprise-20.0"}``); else the newest that ships. A rule names its own release, so switching the
current one changes no tag; it changes what ``attack show``, ``attack migrate`` and migrated exports look at.

A catalogue file::

    {"domain": "enterprise-attack", "release": "19.2", "notice": "© 2026 The MITRE Corporation. ...",
     "tactics": {"TA0043": {"name": "Reconnaissance", "shortname": "reconnaissance"}, ...},
     "techniques": {"T1059": {"name": "Command and Scripting Interpreter", "tactics": ["TA0002"],
                              "stix_id": "attack-pattern--...", "platforms": ["Linux", ...]},
                    "T1562": {"name": "Impair Defenses", "status": "revoked", "revoked_by": "T1685", ...}, ...}}

Tactics stand in the order of the matrix. ``subset`` is there when a file holds a part of its matrix, and says which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import msgspec

from decnet.errors import CatalogueError
from decnet.models.attack_ids import TacticId, TechniqueId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DEFAULT_RELEASE = "enterprise-19.2"
CURRENT_FILE = "current.json"
RELEASE_PATTERN = re.compile(r"(enterprise|ics|mobile)-(\d{1,3})\.(\d{1,3})", re.ASCII)

_SITE = "https://attack.mitre.org"
_MAX_SUGGESTIONS = 3
_MAX_FAULTS = 5  # of a catalogue file that are shown
_CLOSE_ENOUGH = 0.75  # T11059 to T1059 is 0.91; two unrelated ids of one length stay below 0.7
_MAX_SLIP = 2  # a text of that length is in too many names to mean one
_MAX_TYPED = 100  # characters of an unknown id that are compared or repeated in a message


class TacticEntry(msgspec.Struct, frozen=True):
    """A tactic in a catalogue file."""

    name: str
    shortname: str


class TechniqueEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A technique in a catalogue file; retired ones have no tactics."""

    name: str
    tactics: tuple[str, ...] = ()
    status: Literal["revoked", "deprecated"] | None = None
    revoked_by: str | None = None
    stix_id: str | None = None
    platforms: tuple[str, ...] = ()


class CatalogueFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A catalogue file, see the module's text."""

    domain: Literal["enterprise-attack", "ics-attack", "mobile-attack"]
    release: str
    notice: str
    tactics: dict[str, TacticEntry]
    techniques: dict[str, TechniqueEntry]
    subset: str | None = None


@dataclass(frozen=True, slots=True)
class Tactic:
    """A column of the matrix; ``shortname`` is what STIX and the Navigator call it (``command-and-control``)."""

    id: TacticId
    name: str
    shortname: str

    @property
    def url(self) -> str:
        """MITRE's page."""
        return f"{_SITE}/tactics/{self.id}/"


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique or sub-technique. One that MITRE retired has a ``status``, no tactics, and perhaps a successor."""

    id: TechniqueId
    name: str
    tactics: tuple[TacticId, ...]
    platforms: tuple[str, ...]
    stix_id: str | None
    status: Literal["revoked", "deprecated"] | None
    revoked_by: TechniqueId | None

    @property
    def is_active(self) -> bool:
        """Neither revoked nor deprecated."""
        return self.status is None

    @property
    def parent(self) -> TechniqueId | None:
        """``T1059`` for ``T1059.004``, None for a technique."""
        return parent_of(self.id)

    @property
    def url(self) -> str:
        """MITRE's page."""
        return f"{_SITE}/techniques/{self.id.replace('.', '/')}/"


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """One release of one domain. Look-ups are exact: ids are upper case, as MITRE writes them."""

    release: str
    """``enterprise-19.2``."""
    domain: str
    """``enterprise-attack``, as STIX and the Navigator spell it."""
    notice: str
    """MITRE's copyright line, to be shown where the data is passed on."""
    subset: str | None
    """What part of the matrix this is, when it is not all of it."""
    tactics: tuple[Tactic, ...]
    """In the order of the matrix."""
    techniques: Mapping[str, Technique] = field(repr=False)
    """Every technique and sub-technique by id, retired ones too."""

    @property
    def version(self) -> str:
        """``19.2``."""
        return self.release.partition("-")[2]

    def technique(self, technique_id: str) -> Technique:
        """The technique or sub-technique of that id, retired ones too.

        :raises CatalogueError: there is none; the message says what may have been meant.
        """
        found = self.techniques.get(technique_id)
        if found is None:
            raise CatalogueError(self._unknown("technique", technique_id))
        return found

    def tactic(self, tactic_id: str) -> Tactic:
        """The tactic of that id.

        :raises CatalogueError: there is none; the message says what may have been meant.
        """
        found = self._tactic(tactic_id)
        if found is None:
            raise CatalogueError(self._unknown("tactic", tactic_id))
        return found

    def subtechniques(self, technique_id: str) -> tuple[Technique, ...]:
        """The active sub-techniques of a technique, by id."""
        prefix = f"{technique_id}."
        found = [each for each in self.techniques.values() if each.is_active and each.id.startswith(prefix)]
        return tuple(sorted(found, key=lambda each: each.id))

    def is_valid_pair(self, tactic_id: str, technique_id: str) -> bool:
        """The technique or sub-technique is active and stands under that tactic."""
        found = self.techniques.get(technique_id)
        return found is not None and found.is_active and tactic_id in found.tactics

    def migrate(self, technique_id: str) -> TechniqueId:
        """Today's id of a technique: the id itself when active, else the end of MITRE's revoked-by links.

        :raises CatalogueError: the id is unknown, or was retired without a successor.
        """
        found, passed = self.technique(technique_id), {technique_id}
        while found.revoked_by is not None:
            if found.revoked_by in passed:
                raise CatalogueError(f"{technique_id} has a circle of revoked-by links in {self._title()}")
            passed.add(found.revoked_by)
            found = self.technique(found.revoked_by)
        if not found.is_active:
            raise CatalogueError(
                f"{technique_id} ({self.techniques[technique_id].name}) was {found.status} "
                f"in or before {self._title()} and has no successor"
            )
        return found.id

    def suggest(self, text: str) -> tuple[str, ...]:
        """At most three ids that ``text``, an id or a name, may have meant; best first, none retired."""
        typed = text.strip()[:_MAX_TYPED].casefold()
        if not typed:
            return ()
        by_id = bool(re.match(r"ta?\d", typed))
        candidates = {id_: (id_ if by_id else name).casefold() for id_, name in self._named().items()}
        scored = [(_likeness(typed, candidate), id_) for id_, candidate in candidates.items()]
        close = [(score, id_) for score, id_ in scored if score >= _CLOSE_ENOUGH]
        close.sort(key=lambda pair: (-pair[0], _undoubled(pair[1].casefold()) != _undoubled(typed), pair[1]))
        return tuple(id_ for _, id_ in close[:_MAX_SUGGESTIONS])

    def name_of(self, attack_id: str) -> str:
        """The name of a tactic or technique.

        :raises CatalogueError: the catalogue knows neither.
        """
        tactic = self._tactic(attack_id)
        return tactic.name if tactic else self.technique(attack_id).name

    def check_pair(self, tactic_id: str, technique_id: str, sub_technique_id: str | None = None) -> str | None:
        """What is wrong with tagging this technique under this tactic, and the way out; None when nothing is."""
        if self._tactic(tactic_id) is None:
            return self._unknown("tactic", tactic_id)
        fault = self._technique_fault("technique_id", tactic_id, technique_id)
        if fault is not None or sub_technique_id is None:
            parent = parent_of(technique_id)
            if fault is None and parent is not None:
                return (
                    f"technique_id {technique_id!r} is a sub-technique; "
                    f"write technique_id {parent} and sub_technique_id {technique_id}"
                )
            return fault
        parent = parent_of(sub_technique_id)
        if parent != technique_id and (parent is None or sub_technique_id in self.techniques):
            what = "is no sub-technique" if parent is None else f"belongs to {parent}, not to {technique_id}"
            return f"sub_technique_id {_typed(sub_technique_id)} {what}; {self._subs_text(technique_id)}"
        return self._technique_fault("sub_technique_id", tactic_id, sub_technique_id)

    def _technique_fault(self, what: str, tactic_id: str, technique_id: str) -> str | None:
        found = self.techniques.get(technique_id)
        if found is None:
            return self._unknown(what, technique_id)
        if not found.is_active:
            return (
                f"{what} {technique_id!r} ({found.name}) is {found.status} in {self._title()}; {self._way_out(found)}"
            )
        if tactic_id not in found.tactics:
            right = _listed(f"{id_} ({self.tactic(id_).name})" for id_ in found.tactics)
            return f"{what} {technique_id!r} ({found.name}) is not under {tactic_id} in {self._title()}; use {right}"
        return None

    def _way_out(self, retired: Technique) -> str:
        try:
            successor = self.technique(self.migrate(retired.id))
        except CatalogueError:
            return "it has no successor, remove it"
        tactics = _listed(f"{id_} {self.tactic(id_).name}" for id_ in successor.tactics)
        return f"its successor is {successor.id} ({successor.name}), under {tactics}"

    def _subs_text(self, technique_id: str) -> str:
        subs = [sub.id for sub in self.subtechniques(technique_id)]
        return f"{technique_id} has {subs[0]} to {subs[-1]}" if subs else f"{technique_id} has no sub-techniques"

    def _unknown(self, what: str, typed: str) -> str:
        meant = _listed(f"{id_} ({self.name_of(id_)})" for id_ in self.suggest(typed))
        text = f"{what} {_typed(typed)} is not in {self._title()}"
        return f"{text}; did you mean {meant}?" if meant else text

    def _tactic(self, tactic_id: str) -> Tactic | None:
        return next((tactic for tactic in self.tactics if tactic.id == tactic_id), None)

    def _named(self) -> dict[str, str]:
        tactics = ((tactic.id, tactic.name) for tactic in self.tactics)
        return dict(tactics) | {id_: each.name for id_, each in self.techniques.items() if each.is_active}

    def _title(self) -> str:
        return f"ATT&CK {self.release}{', which is a subset here' if self.subset else ''}"


def parent_of(technique_id: str) -> TechniqueId | None:
    """``T1059`` for ``T1059.004``, None for the id of a technique."""
    parent, dot, _ = technique_id.partition(".")
    return TechniqueId(parent) if dot else None


def load(release: str = DEFAULT_RELEASE, overlay: Path | None = None) -> Catalog:
    """The catalogue of ``release`` (``enterprise-19.2``), read once per process.

    :raises CatalogueError: there is no such release, or its file in the overlay cannot be used.
    """
    return _load(release, overlay)


def bundled_releases() -> tuple[str, ...]:
    """The releases that ship with the package, newest first within a domain."""
    names = (entry.name.removesuffix(".json") for entry in _data().iterdir() if entry.name.endswith(".json"))
    return tuple(sorted(names, key=_newest_first))


def releases(overlay: Path | None = None) -> tuple[str, ...]:
    """Every release that :func:`load` can give, newest first within a domain."""
    found = set(bundled_releases())
    if overlay is not None and overlay.is_dir():
        found |= {path.stem for path in overlay.glob("*.json") if RELEASE_PATTERN.fullmatch(path.stem)}
    return tuple(sorted(found, key=_newest_first))


def current_releases(overlay: Path | None = None) -> dict[str, str]:
    """The release in use per domain: ``{"enterprise": "enterprise-19.2", "ics": "ics-18.1"}``.

    :raises CatalogueError: the pointer file in the overlay cannot be used.
    """
    newest = {
        domain: next(group)
        for domain, group in groupby(bundled_releases(), key=lambda release: release.partition("-")[0])
    }
    return newest | (_pointed(overlay) if overlay is not None else {})


def find_catalog(attack_id: str, catalogs: Iterable[Catalog]) -> Catalog | None:
    """The first catalogue that knows this tactic, technique or sub-technique."""
    return next(
        (each for each in catalogs if attack_id in each.techniques or any(attack_id == t.id for t in each.tactics)),
        None,
    )


def catalog_from(raw: bytes, source: str, way_out: str = "run 'decnet attack update' again") -> Catalog:
    """The catalogue in the bytes of a catalogue file; messages begin with ``source`` and end with ``way_out``.

    :raises CatalogueError: it is no such file, or refers to a tactic or technique that it does not hold.
    """
    try:
        file = msgspec.json.decode(raw, type=CatalogueFile)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CatalogueError(f"{source}: no ATT&CK catalogue: {error}; {way_out}") from None
    faults = list(_file_faults(file))
    if faults:
        raise CatalogueError(f"{source}: {'; '.join(faults[:_MAX_FAULTS])}; {way_out}")
    return _catalog(file)


def forget_loaded() -> None:
    """From now on files of the overlay are read anew; catalogues that are in use stay as they are."""
    _load.cache_clear()


@cache
def _load(release: str, overlay: Path | None) -> Catalog:
    known = RELEASE_PATTERN.fullmatch(release) is not None
    if known and overlay is not None and (path := overlay / f"{release}.json").is_file():
        catalog = catalog_from(path.read_bytes(), str(path))
        if catalog.release != release:
            raise CatalogueError(f"{path}: holds {catalog.release}; run 'decnet attack update' again")
        return catalog
    bundled = _data() / f"{release}.json"
    if not known or not bundled.is_file():
        raise CatalogueError(
            f"no ATT&CK release {_typed(release)} here; there are {_listed(releases(overlay))}. "
            "'decnet attack update' brings in another"
        )
    return catalog_from(bundled.read_bytes(), release)


def _data() -> resources.abc.Traversable:
    return resources.files("decnet.attack") / "data"


def _pointed(overlay: Path) -> dict[str, str]:
    path = overlay / CURRENT_FILE
    try:
        pointed = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise CatalogueError(f"{path}: {error}; remove it, or run 'decnet attack update' again") from None
    for domain, release in pointed.items():
        if not RELEASE_PATTERN.fullmatch(release) or release.partition("-")[0] != domain:
            raise CatalogueError(f"{path}: {release!r} is no release of {domain!r}; run 'decnet attack update' again")
    return pointed


def _catalog(file: CatalogueFile) -> Catalog:
    techniques = {
        id_: Technique(
            id=TechniqueId(id_),
            name=entry.name,
            tactics=tuple(TacticId(tactic) for tactic in entry.tactics),
            platforms=entry.platforms,
            stix_id=entry.stix_id,
            status=entry.status,
            revoked_by=TechniqueId(entry.revoked_by) if entry.revoked_by else None,
        )
        for id_, entry in file.techniques.items()
    }
    return Catalog(
        release=f"{file.domain.removesuffix('-attack')}-{file.release}",
        domain=file.domain,
        notice=file.notice,
        subset=file.subset,
        tactics=tuple(Tactic(TacticId(id_), entry.name, entry.shortname) for id_, entry in file.tactics.items()),
        techniques=techniques,
    )


def _file_faults(file: CatalogueFile) -> Iterable[str]:
    for id_, entry in file.techniques.items():
        if entry.status is None and not entry.tactics:
            yield f"{id_} is active but stands under no tactic"
        for tactic in entry.tactics:
            if tactic not in file.tactics:
                yield f"{id_} stands under {tactic}, which is no tactic of the file"
        if entry.status is None and entry.revoked_by is not None:
            yield f"{id_} has a successor but is not revoked"
        if entry.revoked_by is not None and entry.revoked_by not in file.techniques:
            yield f"{id_} is revoked by {entry.revoked_by}, which is not in the file"
        parent = parent_of(id_)
        if entry.status is None and parent is not None and parent not in file.techniques:
            yield f"{id_} has no parent in the file"


def _newest_first(release: str) -> tuple[str, int, int]:
    domain, _, version = release.partition("-")
    major, _, minor = version.partition(".")
    return domain, -int(major), -int(minor)


def _likeness(typed: str, candidate: str) -> float:
    if len(typed) > _MAX_SLIP and typed in candidate and len(typed) * 2 >= len(candidate):
        return 1.0
    matcher = SequenceMatcher(None, candidate, typed, autojunk=False)
    if matcher.real_quick_ratio() < _CLOSE_ENOUGH or matcher.quick_ratio() < _CLOSE_ENOUGH:
        return 0.0
    return matcher.ratio()


def _undoubled(text: str) -> str:
    """``t1059`` for ``t11059``: a key held too long is the usual slip."""
    return "".join(char for char, _ in groupby(text))


def _typed(text: str) -> str:
    return repr(text if len(text) <= _MAX_TYPED else f"{text[:_MAX_TYPED]}…")


def _listed(words: Iterable[str]) -> str:
    *most, last = [*words] or [""]
    return f"{', '.join(most)} or {last}" if most else last
