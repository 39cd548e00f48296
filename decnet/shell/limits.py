"""What one line may cost, and the ledger that says so when a limit was met.

Every limit counts things (characters, tokens, commands), never time, so the same text always gives the same answer.
"""

from __future__ import annotations

MAX_TEXT = 65_536  # characters of one text, outer or decoded
MAX_WINDOWS_TEXT = 8_191  # characters that cmd.exe takes in one line
MAX_DEPTH = 8  # layers of decoding, quoting or substitution inside each other
MAX_COMMANDS = 512  # commands that one text may yield
MAX_DECODED_BYTES = 1_048_576  # bytes that all decoders, expansions and printed texts of one line may yield
MAX_NESTING = 60  # groups inside each other; a few Python frames each
MAX_BRACE_WORDS = 64  # words that one brace list may yield
MAX_ALL_BRACE_WORDS = 256  # words that all brace lists of a line may yield
MAX_STEP_TEXT = 2_048  # characters of a decode step's result that are kept as evidence
MAX_VARIABLES = 64
MAX_VALUE = 4_096  # characters of one variable's value, function's body or working folder
MAX_FUNCTIONS = 16
MAX_UNCLOSED = 8  # quotes and brackets without an end that are searched for before all count as plain text
MAX_GRAMMAR_TOKENS = 4_096  # tokens that the grammar sees; each costs about 6 µs with everything that follows

# Allowances that grow with the text: honest scripts stay far below, and 2,000 characters of the worst stay below 3 ms.
_BASE_STEPS, _CHARACTERS_PER_STEP = 1_000, 16
_BASE_TOKENS, _CHARACTERS_PER_TOKEN = 768, 16
_BASE_GRAMMAR, _CHARACTERS_PER_GRAMMAR_TOKEN = 256, 5
_BASE_TEXTS, _CHARACTERS_PER_TEXT = 16, 128
_BASE_COMMANDS, _CHARACTERS_PER_COMMAND = 64, 64
_BASE_EXPANSION, _EXPANSION_PER_CHARACTER = 65_536, 16


class Budget:
    """What is left to spend while one text is unrolled; ``hits`` names each limit met, once, in order."""

    __slots__ = (
        "braces",
        "commands",
        "decoded",
        "expanded",
        "grammar",
        "hits",
        "nested",
        "steps",
        "texts",
        "tokens",
        "unclosed",
    )

    def __init__(self, length: int) -> None:
        self.braces = MAX_ALL_BRACE_WORDS
        self.commands = min(MAX_COMMANDS, _BASE_COMMANDS + length // _CHARACTERS_PER_COMMAND)
        self.decoded = MAX_DECODED_BYTES
        self.expanded = _BASE_EXPANSION + length * _EXPANSION_PER_CHARACTER  # characters of variables' values
        self.grammar = min(MAX_GRAMMAR_TOKENS, _BASE_GRAMMAR + length // _CHARACTERS_PER_GRAMMAR_TOKEN)
        self.texts = _BASE_TEXTS + length // _CHARACTERS_PER_TEXT  # inside the line: substitutions, sh -c, decoded
        self.tokens = _BASE_TOKENS + length // _CHARACTERS_PER_TOKEN
        self.steps = _BASE_STEPS + length // _CHARACTERS_PER_STEP
        self.unclosed = MAX_UNCLOSED
        self.nested = 0  # ${a:-${b:-…}} inside each other
        self.hits: dict[str, None] = {}

    def hit(self, limit: str) -> None:
        """Notes that ``limit`` cut something."""
        self.hits[limit] = None

    def step(self) -> bool:
        """True while small steps of work are left; takes one."""
        self.steps -= 1
        if self.steps < 0:
            self.hits["steps"] = None
            return False
        return True

    def grant(self, size: int) -> int:
        """How many of ``size`` decoded bytes are still allowed; takes them."""
        granted = min(size, self.decoded)
        if granted < size:
            self.hits["decoded_bytes"] = None
        self.decoded -= granted
        return granted
