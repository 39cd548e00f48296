"""Follows the shape of a text and notes each command that it would run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import force_setattr, replace

from .calls import inner_text, note, run
from .frames import MAX_NEIGHBOURS, Call, Layer, Result
from .limits import MAX_DEPTH, MAX_NESTING, MAX_TEXT
from .outputs import Output
from .parse import parse
from .programs import names
from .scan import RICH, scan_text
from .script import Group, Leaf, Pipeline
from .split import split_list
from .view import DecodeStep, Redirect, SimpleCommand
from .words import expand, expand_joined
from .wrappers import Peeled

if TYPE_CHECKING:
    from .limits import Budget
    from .positions import Positions
    from .scan import Scan, Token
    from .state import Session

_CHARACTERS_PER_TEXT: Final = 1_024  # a longer inner text counts as several


class Walker:
    """Walks texts and collects commands; is the scope in which words are expanded."""

    def __init__(self, session: Session, budget: Budget, positions: Positions) -> None:
        self.session = session
        self.lookup, self.assign = session.lookup, session.assign
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
        scan = scan_text(text, self.budget)
        return self.scanned(scan, replace(layer, scan=scan), given)

    def scanned(self, scan: Scan, layer: Layer, given: Output | None) -> Result:
        """Walks the tokens of a text."""
        if scan.is_compound:
            pipelines, is_broken = parse(scan, self.budget)
        else:
            pipelines, is_broken = split_list(scan), scan.is_broken
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
        if not pipeline.stages:
            self.set_loop_variable(layer, pipeline.loop_name, pipeline.loop_values)
            return Result([])
        if pipeline.background or pipeline.in_loop:
            layer = replace(
                layer,
                background=layer.background or pipeline.background,
                in_loop=layer.in_loop or pipeline.in_loop,
            )
        stages = pipeline.stages
        if len(stages) > 1:
            return self.stages(layer, stages, given)
        return self.stage(layer, stages[0], given)

    def stages(self, layer: Layer, stages: list[Leaf | Group], given: Output | None) -> Result:
        """Walks several stages; each runs in a subshell of its own."""
        results: list[Result] = []
        upstream = layer.pipe_from
        head = stages[0]
        origin = layer.base + head.start if layer.base >= 0 else layer.start
        before = self.session.snapshot()
        for index, stage in enumerate(stages):
            if self.budget.commands <= 0:  # none of the others can be noted: hundreds of them cost a third
                self.budget.hit("commands")
                results.append(Result([]))
                break
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
            result = self.leaf(inside, stage, given) if type(stage) is Leaf else self.stage(inside, stage, given)
            self.session.restore(before)
            results.append(result)
            given = result.output
            upstream = (*result.programs(), *upstream)[:MAX_NEIGHBOURS]
        downstream = layer.pipe_into
        for index in range(len(results) - 1, 0, -1):
            downstream = (*results[index].programs(reading=True), *downstream)[:MAX_NEIGHBOURS]
            for command in results[index - 1].commands:
                reached = (*command.pipe_into, *downstream)[:MAX_NEIGHBOURS] if command.pipe_into else downstream
                force_setattr(command, "pipe_into", reached)
        commands: list[SimpleCommand] = []
        for result in results:
            commands += result.commands
        return Result(commands, results[-1].output)

    def stage(self, layer: Layer, stage: Leaf | Group, given: Output | None) -> Result:
        """Walks a simple command or a group."""
        if isinstance(stage, Leaf):
            return self.leaf(layer, stage, given)
        if self.budget.commands <= 0:
            self.budget.hit("commands")
            return Result([])
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
        """Gives a loop's variable its first value; substitutions in the others, and in the word of case, run too."""
        if not values:
            return
        call = self.open_call(layer, values[0][1], values[-1][2])
        fields = [field for token in values for field in self.fields(call, token)]
        if name and fields and not fields[0].startswith("$"):
            self.session.assign(name, fields[0])

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
        if self.budget.commands <= 0:
            self.budget.hit("commands")
            return Result([])
        call = self.open_call(layer, leaf.start, leaf.end)
        words = leaf.words
        text = layer.scan.text
        if words and "=" in text[words[0][1] : words[0][2]]:
            words = words[self.assignments(call, words) :]
        if len(leaf.words) == 1 and not leaf.redirects and (script := self.lone_value(call, leaf.words[0])):
            return inner_text(self, call, script, layer, "eval", Peeled(), given)
        fields: list[str] = []
        for token in words:
            kind, start, end, _ = token
            if kind != RICH:
                fields.append(text[start:end])
                continue
            is_program = not fields
            fields += self.fields(call, token)
            if is_program and _hides_program(text[start:end], fields):
                call.is_tricked = True
        if leaf.redirects:
            own, given = self.redirects(call, leaf.redirects, given)
            call.redirects = (*own, *layer.redirects)
        else:
            call.redirects = layer.redirects
        if fields:
            return run(self, call, fields, given)
        return self.bare(call)

    def lone_value(self, call: Call, token: Token) -> str:
        """The value of a variable that is the whole command, if it reads like a line of a script.

        The shell would only split it into words; whoever writes such a line means to run it.
        """
        if token[0] != RICH:
            return ""
        raw = call.layer.scan.text[token[1] : token[2]]
        if raw[0] != "$":
            return ""
        value = self.session.variables.get(raw.strip("${}"), "")
        return "" if _SYNTAX.isdisjoint(value) else value

    def bare(self, call: Call) -> Result:
        """A line of assignments or redirections alone: it changes the session or a file."""
        for name, value in call.assignments:
            if name in call.unknown:
                self.session.unset(name)
            else:
                self.session.assign(name, value)
        if not (call.assignments or call.redirects) and not call.is_tricked:
            return Result([])
        return Result([note(self, call, "", "", [], call.steps)])

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
                given = Output(value.encode("utf-8", "surrogatepass") + b"\n")
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
        if not ("$" in body or "`" in body) or not _QUOTES.isdisjoint(delimiter):
            return body
        quoted = '"' + body.replace('"', '\\"') + '"'
        return self.joined(call, quoted, -1)

    # -- the scope of words ----------------------------------------------------------------------------------------

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
        if self.budget.texts <= 0 and layer.depth < MAX_DEPTH:  # hundreds of `;` cost half: text() would say no
            self.budget.hit("texts")
            call.fed.append(Result([]))
            return None
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


_SYNTAX: Final = frozenset("|;&<>'\"")
_QUOTES: Final = frozenset("'\"\\")
_SILENT: Final = names("cd export unset set true : local declare typeset readonly alias sleep") | {""}


def _hides_program(raw: str, fields: list[str]) -> bool:
    r"""True when a program's word is more than its name: ``w""get``, ``c\at``, ``$(echo cat)``."""
    if "$(" in raw or "`" in raw:
        return bool(fields) and "$(" not in fields[0] and "`" not in fields[0]
    if raw[0] in "'\"" and raw[-1] == raw[0] and raw.count(raw[0]) == 2:  # noqa: PLR2004 (a quoted whole)
        return False
    return not _QUOTES.isdisjoint(raw[1:])
