"""Whether every engine takes a pattern, and what to write instead."""

from __future__ import annotations

from re2 import _re2

from decnet.ttp.dialect import HyperscanForm, pattern_form
from decnet.ttp.match import PatternRefused, find_pattern, re2_options
from decnet.ttp.remembered import Remembered
from decnet.ttp.scan import hyperscan_is_installed

LARGE_PROGRAM = 3_000
"""RE2 instructions beyond which Hyperscan is asked whether the pattern is too large; asking takes up to a second."""


@Remembered
def program_size(pattern: str) -> int:
    """How many instructions RE2 makes of ``pattern``; 0 where it makes none."""
    compiled = _re2.RE2(pattern.encode(), re2_options())
    return int(compiled.ProgramSize()) if compiled.ok() else 0


@Remembered
def pattern_fault(pattern: str) -> str | None:
    """Why ``pattern`` is refused and the way out, or None when all engines take it.

    Hyperscan itself is asked about the few patterns in doubt; where it is not installed, those with an anchor inside
    are refused and large ones are taken.
    """
    try:
        find = find_pattern(pattern)
    except PatternRefused as error:
        return f"pattern {pattern!r} is not RE2: {error}; RE2 has no look-around and no back-references"
    if find(b"") is not None:
        return f"pattern {pattern!r} matches the empty text, so it is always true; ask for at least one character"
    try:
        form = pattern_form(pattern)
    except PatternRefused as error:
        return f"pattern {pattern!r} is not one that all engines read alike: {error}"
    if form.has_inner_anchor and _refusal(form, "anchor inside") is not None:
        return (
            f"pattern {pattern!r} has '^' behind or '$' before something else, which Hyperscan does not take; "
            "put the anchor last, as in (?:;|\\s*$), or write the cases as patterns of their own under 'any'"
        )
    if (
        program_size(pattern) > LARGE_PROGRAM
        and hyperscan_is_installed()
        and (reason := _refusal(form, "")) is not None
    ):
        return f"pattern {pattern!r} is not one for Hyperscan: {reason.rstrip('.')}; split it or repeat less"
    return None


def _refusal(form: HyperscanForm, otherwise: str) -> str | None:
    """Hyperscan's reason to refuse ``form``, or None; ``otherwise`` where it is not installed."""
    if not hyperscan_is_installed():
        return otherwise
    from decnet.ttp.scan_hyperscan import fault_of

    return fault_of(form)
