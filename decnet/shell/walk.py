"""Follows the shape of a text and notes each command that it would run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from .escapes import to_text
from .limits import MAX_DEPTH, MAX_NESTING, MAX_TEXT
from .outputs import Output, output_of
from .parse import parse
from .programs import program_name
from .scan import RICH, scan_text
from .script import Group, Leaf, Pipeline
from .snippets import code_of, read_snippet, reads_input
from .split import split
from .state import BUILTINS, run_builtin
from .view import DecodeStep, Redirect, SimpleCommand
from .words import expand, expand_joined
from .wrappers import WRAPPERS, Peeled, peel

if TYPE_CHECKING:
    from .limits import Budget
    from .positions import Positions
    from .scan import Scan, Token
    from .state import Session

_MAX_NEIGHBOURS: Final = 8  # programs named in pipe_from and pipe_into
_CHARACTERS_PER_TEXT: Final = 1_024  # a longer inner text counts as several
_FREE_ARGS: Final = 256  # characters of arguments that are not counted: 512 commands times this is little
_SUBSTITUTION_RUNNERS: Final = frozenset("sh bash dash ash zsh ksh eval source .".split())


class Layer(Struct, frozen=True, gc=False):
    """One text and what surrounds it."""

    scan: Scan
    base: int  # where the text stands in the original, -1 when it is not a part of it
    start: int  # the range of the original that a decoded text came from
    end: int
    depth: int = 0
    wrappers: tuple[str, ...] = ()
    decoded: tuple[DecodeStep, ...] = ()
    pipe_from: tuple[str, ...] = ()
    pipe_into: tuple[str, ...] = ()
    redirects: tuple[Redirect, ...] = ()  # of the groups around
    background: bool = False
    in_loop: bool = False
    is_printed: bool = False  # something reads what it prints
    origin: int = -1  # where the pipeline at hand begins in the original


class Result:
    """What ran directly (not in substitutions) and what it printed, None when that is not known."""

    __slots__ = ("commands", "output")

    def __init__(self, commands: list[SimpleCommand], output: Output | None = None) -> None:
        self.commands = commands
        self.output = output

    def programs(self, *, reading: bool = False) -> tuple[str, ...]:
        """The names of what ran, the last and innermost first; on demand only of what reads from the pipe."""
        commands = self.commands
        if len(commands) == 1:
            only = commands[0]
            return (only.program,) if only.program and (only.pipe_from or not reading) else ()
        found = [command for command in reversed(commands) if command.program]
        names = dict.fromkeys([command.program for command in found if command.pipe_from or not reading])
        return tuple(names)[:_MAX_NEIGHBOURS]


class Call:
    """A simple command whose words are expanded: everything but the program and its words."""

    __slots__ = ("assignments", "end", "fed", "is_tricked", "layer", "redirects", "start", "steps", "unknown")

    def __init__(self, layer: Layer, start: int, end: int) -> None:
        self.layer = layer
        self.start = start  # in the original, in characters
        self.end = end
        self.assignments: tuple[tuple[str, str], ...] = ()
        self.redirects: tuple[Redirect, ...] = ()
        self.steps: tuple[DecodeStep, ...] = ()  # taken off to read its words
        self.fed: list[Result] = []  # substitutions in its words
        self.is_tricked = False
        self.unknown: tuple[str, ...] = ()  # assigned names whose values are not known


class Walker:
    """Walks texts and collects commands; is the scope in which words are expanded."""

    def __init__(self, session: Session, budget: Budget, positions: Positions) -> None:
        self.session = session
        self.budget = budget
        self.positions = positions
        self.commands: list[SimpleCommand] = []
        self.is_broken = False
        self.is_tricked = False
        self.is_unknown = False  # a substitution whose output is not known was met
        self.nesting = 0
        self.running: set[str] = set()  # functions being followed
        self.call: Call | None = None

    # -- texts and groups ------------------------------------------------------------------------------------------

    def text(self, text: str, layer: Layer, given: Output | None = None) -> Result:
        """Walks a text inside another; ``layer`` says where it stands."""
        if layer.depth > MAX_DEPTH:
            self.budget.hit("depth")
            return Result([])
        self.budget.texts -= 1 + len(text) // _CHARACTERS_PER_TEXT
        if self.budget.texts < 0:
            self.budget.hit("texts")
            return Result([])
        if len(text) > MAX_TEXT:
            self.budget.hit("length")
            text = text[:MAX_TEXT]
        scan = scan_text(text.replace("\0", ""), self.budget)
        return self.scanned(scan, replace(layer, scan=scan), given)

    def scanned(self, scan: Scan, layer: Layer, given: Output | None) -> Result:
        """Walks the tokens of a text."""
        if scan.is_compound:
            pipelines, is_broken = parse(scan, self.budget)
        else:
            pipelines, is_broken = split(scan), scan.is_broken
        self.is_broken |= is_broken
        return self.block(layer, pipelines, given)

    def block(self, layer: Layer, pipelines: list[Pipeline], given: Output | None) -> Result:
        """Walks pipelines in order; what they print is joined."""
        if len(pipelines) == 1:
            return self.pipeline(layer, pipelines[0], given)
        commands: list[SimpleCommand] = []
        data: list[bytes] | None = []
        steps: tuple[DecodeStep, ...] = ()
        for pipeline in pipelines:
            if self.budget.commands <= 0:
                self.budget.hit("commands")
                break
            result = self.pipeline(layer, pipeline, given)
            commands += result.commands
            if not layer.is_printed:
                continue
            if result.output is None:
                if any(command.program not in _SILENT for command in result.commands):
                    data = None
            elif data is not None:
                data.append(result.output.data)
                steps += result.output.steps
        return Result(commands, Output(b"".join(data), steps) if data else None)

    def pipeline(self, layer: Layer, pipeline: Pipeline, given: Output | None) -> Result:
        """Walks the stages of a pipeline and tells each its neighbours."""
        if pipeline.loop_name:
            self.set_loop_variable(layer, pipeline.loop_name, pipeline.loop_values)
            return Result([])
        if pipeline.background or pipeline.in_loop:
            layer = replace(
                layer,
                background=layer.background or pipeline.background,
                in_loop=layer.in_loop or pipeline.in_loop,
            )
        stages = pipeline.stages
        if len(stages) == 1:
            return self.stage(layer, stages[0], given)
        return self.stages(layer, stages, given)

    def stages(self, layer: Layer, stages: list[Leaf | Group], given: Output | None) -> Result:
        """Walks several stages; each runs in a subshell of its own."""
        results: list[Result] = []
        upstream = layer.pipe_from
        head = stages[0]
        origin = layer.base + head.start if layer.base >= 0 else layer.start
        for index, stage in enumerate(stages):
            is_last = index == len(stages) - 1
            inside = Layer(
                layer.scan,
                layer.base,
                layer.start,
                layer.end,
                layer.depth,
                layer.wrappers,
                layer.decoded,
                upstream,
                layer.pipe_into if is_last else (),
                layer.redirects,
                layer.background,
                layer.in_loop,
                layer.is_printed or not is_last,
                origin,
            )
            before = self.session.snapshot()
            result = self.stage(inside, stage, given)
            self.session.restore(before)
            results.append(result)
            given = result.output
            upstream = (*result.programs(), *upstream)[:_MAX_NEIGHBOURS]
        downstream = layer.pipe_into
        for index in range(len(stages) - 1, 0, -1):
            downstream = (*results[index].programs(reading=True), *downstream)[:_MAX_NEIGHBOURS]
            for command in results[index - 1].commands:
                force_setattr(command, "pipe_into", (*command.pipe_into, *downstream)[:_MAX_NEIGHBOURS])
        commands: list[SimpleCommand] = []
        for result in results:
            commands += result.commands
        return Result(commands, results[-1].output)

    def stage(self, layer: Layer, stage: Leaf | Group, given: Output | None) -> Result:
        """Walks a simple command or a group."""
        if self.budget.commands <= 0:
            self.budget.hit("commands")
            return Result([])
        if isinstance(stage, Leaf):
            return self.leaf(layer, stage, given)
        self.nesting += 1
        try:
            if self.nesting > MAX_NESTING:
                self.budget.hit("nesting")
                return Result([])
            return self.group(layer, stage, given)
        finally:
            self.nesting -= 1

    def group(self, layer: Layer, group: Group, given: Output | None) -> Result:
        """Walks a group once, whatever its condition says."""
        if group.redirects:
            call = self.open_call(layer, group.start, group.end)
            redirects, given = self.redirects(call, group.redirects, given)
            layer = replace(layer, redirects=(*redirects, *layer.redirects))
        if group.kind == "function":
            begin, end = group.body_range
            self.session.define(group.name, layer.scan.text[begin:end])
            before = self.session.snapshot()
            self.running.add(group.name)
            result = self.block(layer, group.body, given)
            self.running.discard(group.name)
            self.session.restore(before)
            return result
        if group.kind == "loop":
            layer = replace(layer, in_loop=True)
            self.set_loop_variable(layer, group.name, group.values)
        if group.kind != "subshell":
            return self.block(layer, group.body, given)
        before = self.session.snapshot()
        result = self.block(layer, group.body, given)
        self.session.restore(before)
        return result

    def set_loop_variable(self, layer: Layer, name: str, values: list[Token]) -> None:
        """Gives a loop's variable its first value."""
        if not name or not values:
            return
        call = self.open_call(layer, values[0][1], values[-1][2])
        for token in values:
            fields = self.fields(call, token)
            if fields:
                if not fields[0].startswith("$"):
                    self.session.assign(name, fields[0])
                return

    # -- simple commands -------------------------------------------------------------------------------------------

    def open_call(self, layer: Layer, start: int, end: int) -> Call:
        """A call at a range of the layer's text, given in positions of the original."""
        base = layer.base
        if base < 0:
            return Call(layer, layer.start, layer.end)
        return Call(layer, base + start, base + end)

    def fields(self, call: Call, token: Token) -> list[str]:
        """The fields of a word."""
        kind, start, end, _ = token
        raw = call.layer.scan.text[start:end]
        if kind != RICH:
            return [raw]
        self.call, self.is_tricked = call, False
        fields = expand(raw, start, self)
        call.is_tricked |= self.is_tricked
        return fields

    def joined(self, call: Call, raw: str, start: int) -> str:
        """A word as one field."""
        self.call, self.is_tricked = call, False
        value = expand_joined(raw, start, self)
        call.is_tricked |= self.is_tricked
        return value

    def leaf(self, layer: Layer, leaf: Leaf, given: Output | None) -> Result:
        """Expands a simple command and notes it with everything that it runs."""
        call = self.open_call(layer, leaf.start, leaf.end)
        words = leaf.words
        text = layer.scan.text
        first = 0
        if "=" in text[words[0][1] : words[0][2]] if words else False:
            first = self.assignments(call, words)
        fields: list[str] = []
        for token in words[first:]:
            if token[0] == RICH:
                is_program = not fields
                fields += self.fields(call, token)
                if is_program and _hides_program(text[token[1] : token[2]], fields):
                    call.is_tricked = True
            else:
                fields.append(text[token[1] : token[2]])
        if leaf.redirects:
            own, given = self.redirects(call, leaf.redirects, given)
            call.redirects = (*own, *layer.redirects)
        else:
            call.redirects = layer.redirects
        if fields:
            return self.run(call, fields, given)
        return self.bare(call)

    def bare(self, call: Call) -> Result:
        """A line of assignments or redirections alone: it changes the session or a file."""
        for name, value in call.assignments:
            if name in call.unknown:
                self.session.unset(name)
            else:
                self.session.assign(name, value)
        if not (call.assignments or call.redirects) and not call.is_tricked:
            return Result([])
        return Result([self.note(call, "", "", [], call.steps)])

    def assignments(self, call: Call, words: list[Token]) -> int:
        """Reads the assignments before a command; returns how many there are."""
        text = call.layer.scan.text
        found = []
        for token in words:
            raw = text[token[1] : token[2]]
            name, equals, value = raw.partition("=")
            is_appended = name.endswith("+")
            name = name.removesuffix("+").partition("[")[0]
            if not equals or not (name.isidentifier() and name.isascii()):
                break
            if token[0] == RICH:
                inner = value[1:-1] if value[:1] == "(" else value
                self.is_unknown = False
                value = self.joined(call, inner, token[1] + raw.index("=") + 1 + (inner is not value))
                if self.is_unknown:
                    call.unknown = (*call.unknown, name)
            if is_appended:
                value = (self.session.lookup(name) or "") + value
            found.append((name, value))
        call.assignments = tuple(found)
        return len(found)

    def redirects(
        self, call: Call, pairs: list[tuple[Token, Token | None]], given: Output | None
    ) -> tuple[tuple[Redirect, ...], Output | None]:
        """Reads redirections; returns them and the standard input that they leave."""
        scan = call.layer.scan
        found = []
        for token, target in pairs:
            _, start, end, op = token
            digits = scan.text[start : end - len(op)]
            raw = scan.text[target[1] : target[2]] if target else ""
            if op in {"<<", "<<-"}:
                given = Output(self.document(call, start, op, raw).encode("utf-8", "surrogatepass"))
                value = given.text()
            elif target is None:
                value = ""
            elif target[0] == RICH:
                fed = len(call.fed)
                value = self.joined(call, raw, target[1])
                if op == "<" and len(call.fed) > fed:
                    given = call.fed[-1].output
            else:
                value = raw
            if op == "<<<":
                given = Output(value.encode("utf-8", "surrogatepass") + b"\n", call.steps)
            elif op == "<" and not value.startswith(("<(", "/dev/stdin")):
                given = None
            found.append(Redirect(op, int(digits[:4]) if digits else -1, value))
        return tuple(found), given

    def document(self, call: Call, start: int, op: str, delimiter: str) -> str:
        """The text of a here-document, expanded unless its delimiter is quoted."""
        scan = call.layer.scan
        begin, end = scan.bodies.get(start, (0, 0))
        body = scan.text[begin:end]
        if op == "<<-":
            body = "\n".join(line.lstrip("\t") for line in body.split("\n"))
        if not ("$" in body or "`" in body) or any(mark in delimiter for mark in "'\"\\"):
            return body
        quoted = '"' + body.replace('"', '\\"') + '"'
        return self.joined(call, quoted, -1)

    def run(self, call: Call, fields: list[str], given: Output | None) -> Result:
        """Notes a command and whatever it runs in turn."""
        if self.budget.commands <= 0:
            self.budget.hit("commands")
            return Result([])
        path, argv = fields[0], fields[1:]
        program = program_name(path)
        if not path or (path.startswith(("$(", "`")) and not argv and call.fed):
            return Result([])  # runs what an unknown command prints; that command is noted itself
        if path in self.session.functions and path not in self.running:
            return self.function(call, path, argv, given)
        peeled = peel(program, argv) if program in WRAPPERS else None
        if peeled is not None:
            return self.wrapped(call, path, argv, peeled, given)
        code = code_of(program, argv)
        if code is None and given is not None and reads_input(program, argv):
            code = given.text()
        if code is not None:
            return self.snippet(call, path, argv, code)
        output, steps = None, call.steps
        if given is not None or call.layer.is_printed or call.redirects or program == "printf":
            printed = output_of(program, argv, given, self.budget)
            if printed is not None:
                output = printed[0]
                steps = (*steps, *output.steps[-1:]) if printed[1] else steps
                output = Output(output.data, (*call.steps, *output.steps)) if call.steps else output
        if program in BUILTINS or program == "printf":
            run_builtin(self.session, program, argv, _input_text(program, given, output))
        command = self.note(call, program, path, argv, steps)
        if _is_kept(call.redirects):
            output = None
        return Result([command], output)

    def note(
        self,
        call: Call,
        program: str,
        path: str,
        argv: list[str],
        steps: tuple[DecodeStep, ...],
        *,
        is_wrapper: bool = False,
    ) -> SimpleCommand:
        """Appends a command to the view."""
        layer = call.layer
        self.budget.commands -= 1
        pipe_from = layer.pipe_from
        args = " ".join(argv)
        if len(args) > _FREE_ARGS and self.budget.grant(len(args)) < len(args):
            argv, args = [], ""
        start, end = self.positions.range(call.start, call.end)
        command = SimpleCommand(
            program,
            tuple(argv),
            args,
            path,
            start,
            end,
            call.assignments,
            call.redirects,
            layer.wrappers,
            pipe_from,
            layer.pipe_into,
            layer.decoded + steps if steps else layer.decoded,
            self.session.cwd,
            layer.depth,
            layer.background,
            layer.in_loop,
            is_wrapper,
            call.is_tricked,
        )
        if call.fed:
            self.feed_into(call, command)
        self.commands.append(command)
        return command

    def feed_into(self, call: Call, command: SimpleCommand) -> None:
        """Tells what ran in ``<(…)``, or in ``$(…)`` of a shell's words, that this command reads it."""
        is_runner = command.program in _SUBSTITUTION_RUNNERS
        if not is_runner and "<(" not in command.args and not any("<(" in item.target for item in command.redirects):
            return
        names: tuple[str, ...] = ()
        for result in call.fed:
            names += result.programs()
            for inner in result.commands:
                force_setattr(inner, "pipe_into", (command.program, *inner.pipe_into)[:_MAX_NEIGHBOURS])
        force_setattr(command, "pipe_from", (*names, *command.pipe_from)[:_MAX_NEIGHBOURS])

    # -- what commands run in turn ---------------------------------------------------------------------------------

    def wrapped(self, call: Call, path: str, argv: list[str], peeled: Peeled, given: Output | None) -> Result:
        """Notes a wrapper and then what it runs."""
        program = program_name(path)
        outer = self.note(call, program, path, argv, call.steps, is_wrapper=True)
        commands = [outer]
        layer = call.layer
        inside = replace(layer, wrappers=(*layer.wrappers, program)[:MAX_NESTING])
        output = None
        if len(layer.wrappers) >= MAX_DEPTH * 2:
            self.budget.hit("depth")
            return Result(commands)
        for words in peeled.words:
            below = Call(inside, call.start, call.end)
            below.assignments = (*call.assignments, *peeled.assignments)
            below.redirects, below.is_tricked, below.steps = call.redirects, call.is_tricked, call.steps
            result = self.run(below, _with_input(words, peeled, given), given)
            commands += result.commands
            output = result.output
        if peeled.texts:
            for text in peeled.texts:
                result = self.inner_text(call, text, inside, program, peeled, given)
                commands += result.commands
                output = result.output
        elif peeled.reads_operand:
            given = call.fed[-1].output if call.fed else None
            peeled.reads_input = True
        if peeled.reads_input and given is not None:
            inside = replace(inside, decoded=(*inside.decoded, *given.steps), pipe_from=())
            result = self.inner_text(self.whole_pipeline(call), given.text(), inside, program, peeled, None)
            commands += result.commands
            output = result.output
        return Result(commands, output)

    def whole_pipeline(self, call: Call) -> Call:
        """The call with the range of its pipeline so far: where text from standard input comes from."""
        origin = call.layer.origin
        if 0 <= origin < call.start:
            whole = Call(call.layer, origin, call.end)
            whole.redirects, whole.steps = call.redirects, call.steps
            return whole
        return call

    def inner_text(
        self, call: Call, text: str, layer: Layer, program: str, peeled: Peeled, given: Output | None
    ) -> Result:
        """Walks shell text that a wrapper runs."""
        if call.fed and text.startswith(("$(", "`")) and text.endswith((")", "`")):
            return Result([])  # what an unknown command prints; that command is noted itself
        inside = replace(
            layer,
            base=-1,
            start=call.start,
            end=call.end,
            depth=layer.depth + 1,
            decoded=(*layer.decoded, *call.steps),
            redirects=call.redirects,
            origin=-1,
        )
        if program in {"eval", "source", ".", "trap"} or not any(mark in text for mark in " \t\n;|&"):
            # `sh -c LANG=C; …` is how logs show an assignment whose quotes were lost: it counts for what follows.
            return self.text(text, inside, given)
        before = self.session.snapshot()
        if peeled.parameters is not None:
            self.session.parameters = peeled.parameters
        result = self.text(text, inside, given)
        self.session.restore(before)
        return result

    def function(self, call: Call, name: str, argv: list[str], given: Output | None) -> Result:
        """Notes a call of a function and what its body runs with these parameters."""
        outer = self.note(call, name, name, argv, call.steps)
        before = self.session.parameters
        self.session.parameters = [name, *argv]
        self.running.add(name)
        inside = replace(
            call.layer,
            base=-1,
            start=call.start,
            end=call.end,
            depth=call.layer.depth + 1,
            redirects=call.redirects,
        )
        result = self.text(self.session.functions[name], inside, given)
        self.running.discard(name)
        self.session.parameters = before
        return Result([outer, *result.commands], result.output)

    def snippet(self, call: Call, path: str, argv: list[str], code: str) -> Result:
        """Notes an interpreter's call and the programs that its code names."""
        found = read_snippet(code, self.budget)
        program = program_name(path)
        runs = bool(found.texts or found.words)
        steps = (*call.steps, *found.steps)
        commands = [self.note(call, program, path, argv, steps, is_wrapper=runs)]
        layer = replace(
            call.layer,
            wrappers=(*call.layer.wrappers, program),
            decoded=(*call.layer.decoded, *found.steps),
        )
        for words in found.words:
            commands += self.run(Call(layer, call.start, call.end), words, None).commands
        for text in found.texts:
            commands += self.inner_text(call, text, layer, program, Peeled(), None).commands
        return Result(commands)

    # -- the scope of words ----------------------------------------------------------------------------------------

    def lookup(self, name: str) -> str | None:
        """The value of a variable, None when it is not known."""
        return self.session.lookup(name)

    def assign(self, name: str, value: str) -> None:
        """Sets a variable."""
        self.session.assign(name, value)

    def substitute(self, inner: str, offset: int) -> str | None:
        """What ``$(inner)`` prints, None when unknown."""
        output = self.nested(inner, offset)
        if output is None or self.call is None:
            self.is_unknown = True
            return None
        self.is_tricked |= bool(output.steps)
        self.call.steps = (*self.call.steps, *output.steps)
        return output.text().rstrip("\n")

    def feed(self, inner: str, offset: int) -> None:
        """Walks ``<(inner)``."""
        self.nested(inner, offset)

    def nested(self, inner: str, offset: int) -> Output | None:
        """Walks a substitution in a subshell."""
        call = self.call
        if call is None:
            return None
        layer = call.layer
        inside = Layer(
            layer.scan,
            layer.base + offset if layer.base >= 0 and offset >= 0 else -1,
            call.start,
            call.end,
            layer.depth + 1,
            layer.wrappers,
            layer.decoded,
            in_loop=layer.in_loop,
            background=layer.background,
            is_printed=True,
        )
        before, is_tricked = self.session.snapshot(), self.is_tricked
        result = self.text(inner, inside)
        self.session.restore(before)
        self.call, self.is_tricked = call, is_tricked
        call.fed.append(result)
        return result.output


_SILENT: Final = frozenset("cd export unset set true : local declare typeset readonly alias sleep".split()) | {""}


def _hides_program(raw: str, fields: list[str]) -> bool:
    r"""True when a program's word is more than its name: ``w""get``, ``c\at``, ``$(echo cat)``."""
    if "$(" in raw or "`" in raw:
        return bool(fields) and "$(" not in fields[0] and "`" not in fields[0]
    if raw[0] in "'\"" and raw[-1] == raw[0] and raw.count(raw[0]) == 2:  # noqa: PLR2004 (a quoted whole)
        return False
    return any(mark in raw[1:] for mark in "'\"\\")


def _is_kept(redirects: tuple[Redirect, ...]) -> bool:
    """True when standard output goes to a file."""
    return any(item.op in {">", ">>", ">|", "&>"} and item.fd in {-1, 1} for item in redirects)


def _input_text(program: str, given: Output | None, output: Output | None) -> str | None:
    source = output if program == "printf" else given
    return None if source is None else to_text(source.data)


def _with_input(words: list[str], peeled: Peeled, given: Output | None) -> list[str]:
    """The words of a command under xargs, with standard input where it is known."""
    if peeled.takes_input is None or given is None:
        return words
    items = given.text()[:MAX_TEXT].split()
    if not peeled.takes_input:
        return [*words, *items]
    return [word.replace(peeled.takes_input, " ".join(items[:1])) for word in words]
