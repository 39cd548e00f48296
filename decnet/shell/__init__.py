"""The shell view: what a line would run after quoting tricks, wrappers, nesting and decoding. Nothing is executed.

``unroll(text, state)`` gives the commands of one line and the state for the next line of its session.
"""

from __future__ import annotations

from .unroll import unroll
from .view import EMPTY, DecodeStep, Redirect, ShellState, SimpleCommand, Unrolled

__all__ = ["EMPTY", "DecodeStep", "Redirect", "ShellState", "SimpleCommand", "Unrolled", "unroll"]
