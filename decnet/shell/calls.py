"""One simple command with its words expanded: noted in the view, with whatever it runs in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import force_setattr, replace

from .escapes import to_text
from .frames import MAX_NEIGHBOURS, Call, Result
from .limits import MAX_DEPTH, MAX_NESTING, MAX_TEXT
from .outputs import Output, output_of
from .programs import names, program_name
from .snippets import CODE_RUNNERS, code_of, read_snippet, reads_input
from .state import BUILTINS, run_builtin
from .view import DecodeStep, Redirect, SimpleCommand
from .wrappers import WRAPPERS, Peeled, peel

if TYPE_CHECKING:
    from .frames import Layer
    from .walk import Walker

_FREE_ARGS: Final = 256  # characters of arguments that are not counted: 512 commands times this is little
_SUBSTITUTION_RUNNERS: Final = names("sh bash dash ash zsh ksh eval source .")


def run(walker: Walker, call: Call, fields: list[str], given: Output | None) -> Result:
    """Notes a command and whatever it runs in turn."""
    if walker.budget.commands <= 0:
        walker.budget.hit("commands")
        return Result([])
    path, argv = fields[0], fields[1:]
    program = program_name(path)
    if not path or (path.startswith(("$(", "`")) and not argv and call.fed):
        return Result([])  # runs what an unknown command prints; that command is noted itwalker
    if path in walker.session.functions and path not in walker.running:
        return function(walker, call, path, argv, given)
    peeled = peel(program, argv) if program in WRAPPERS else None
    if peeled is not None:
        return wrapped(walker, call, path, argv, peeled, given)
    if program in CODE_RUNNERS:
        code, is_input = code_of(program, argv), False
        if code is None and given is not None and reads_input(program, argv):
            code, is_input = given.text(), True
        if code is not None:
            return snippet(walker, call, path, argv, code, is_input=is_input)
    return plain(walker, call, program, path, argv, given)


def plain(walker: Walker, call: Call, program: str, path: str, argv: list[str], given: Output | None) -> Result:
    """Notes a command that runs nothing else, with what it prints where something reads that."""
    output, steps = None, call.steps
    if given is not None or call.layer.is_printed or call.redirects or program == "printf":
        printed = output_of(program, argv, given, walker.budget)
        if printed is not None:
            output, is_decoder = printed
            steps = (*steps, *output.steps[-1:]) if is_decoder else steps
            output = Output(output.data, (*call.steps, *output.steps)) if call.steps else output
    if program in BUILTINS or program == "printf":
        run_builtin(walker.session, program, argv, _input_text(program, given, output))
    command = note(walker, call, program, path, argv, steps)
    return Result([command], None if output is None or (call.redirects and _is_kept(call.redirects)) else output)


def note(
    walker: Walker,
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
    walker.budget.commands -= 1
    pipe_from = layer.pipe_from
    args = " ".join(argv)
    if len(args) > _FREE_ARGS and walker.budget.grant(len(args)) < len(args):
        argv, args = [], ""
    start, end = walker.positions.range(call.start, call.end)
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
        walker.session.cwd,
        layer.depth,
        layer.background,
        layer.in_loop,
        is_wrapper,
        call.is_tricked,
    )
    if call.fed:
        feed_into(call, command)
    if walker.budget.commands >= 0:
        walker.commands.append(command)
    else:
        walker.budget.hit("commands")
    return command


def feed_into(call: Call, command: SimpleCommand) -> None:
    """Tells what ran in ``<(…)``, or in ``$(…)`` of a shell's words, that this command reads it."""
    is_runner = command.program in _SUBSTITUTION_RUNNERS
    if not is_runner and "<(" not in command.args and not any("<(" in item.target for item in command.redirects):
        return
    names: tuple[str, ...] = ()
    for result in call.fed:
        names += result.programs()
        for inner in result.commands:
            force_setattr(inner, "pipe_into", (command.program, *inner.pipe_into)[:MAX_NEIGHBOURS])
    force_setattr(command, "pipe_from", (*names, *command.pipe_from)[:MAX_NEIGHBOURS])


def wrapped(walker: Walker, call: Call, path: str, argv: list[str], peeled: Peeled, given: Output | None) -> Result:
    """Notes a wrapper and then what it runs."""
    program = program_name(path)
    outer = note(walker, call, program, path, argv, call.steps, is_wrapper=True)
    commands = [outer]
    layer = call.layer
    inside = replace(layer, wrappers=(*layer.wrappers, program)[:MAX_NESTING])
    output = None
    if len(layer.wrappers) >= MAX_DEPTH * 2:
        walker.budget.hit("depth")
        return Result(commands)
    for words in peeled.words:
        below = Call(inside, call.start, call.end)
        below.assignments = (*call.assignments, *peeled.assignments)
        below.redirects, below.is_tricked, below.steps = call.redirects, call.is_tricked, call.steps
        result = run(walker, below, _with_input(words, peeled, given), given)
        commands += result.commands
        output = result.output
    if peeled.texts:
        for text in peeled.texts:
            result = inner_text(walker, call, text, inside, program, peeled, given)
            commands += result.commands
            output = result.output
    elif peeled.reads_operand:
        given = call.fed[-1].output if call.fed else None
        peeled.reads_input = True
    if peeled.reads_input and given is not None:
        inside = replace(inside, decoded=(*inside.decoded, *given.steps), pipe_from=())
        result = inner_text(walker, whole_pipeline(call), given.text(), inside, program, peeled, None)
        commands += result.commands
        output = result.output
    return Result(commands, output)


def whole_pipeline(call: Call) -> Call:
    """The call with the range of its pipeline so far: where text from standard input comes from."""
    origin = call.layer.origin
    if 0 <= origin < call.start:
        whole = Call(call.layer, origin, call.end)
        whole.redirects, whole.steps = call.redirects, call.steps
        return whole
    return call


def inner_text(
    walker: Walker, call: Call, text: str, layer: Layer, program: str, peeled: Peeled, given: Output | None
) -> Result:
    """Walks shell text that a wrapper runs."""
    if call.fed and text.startswith(("$(", "`")) and text.endswith((")", "`")):
        return Result([])  # what an unknown command prints; that command is noted itwalker
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
        return walker.text(text, inside, given)
    before = walker.session.snapshot()
    if peeled.parameters is not None:
        walker.session.parameters = peeled.parameters
    result = walker.text(text, inside, given)
    walker.session.restore(before)
    return result


def function(walker: Walker, call: Call, name: str, argv: list[str], given: Output | None) -> Result:
    """Notes a call of a function and what its body runs with these parameters."""
    outer = note(walker, call, name, name, argv, call.steps)
    before = walker.session.parameters
    walker.session.parameters = [name, *argv]
    walker.running.add(name)
    inside = replace(
        call.layer,
        base=-1,
        start=call.start,
        end=call.end,
        depth=call.layer.depth + 1,
        redirects=call.redirects,
    )
    result = walker.text(walker.session.functions[name], inside, given)
    walker.running.discard(name)
    walker.session.parameters = before
    return Result([outer, *result.commands], result.output)


def snippet(walker: Walker, call: Call, path: str, argv: list[str], code: str, *, is_input: bool = False) -> Result:
    """Notes an interpreter's call and the programs that its code names."""
    found = read_snippet(code, walker.budget)
    program = program_name(path)
    runs = bool(found.texts or found.words)
    steps = (*call.steps, *found.steps)
    commands = [note(walker, call, program, path, argv, steps, is_wrapper=runs)]
    layer = replace(
        call.layer,
        wrappers=(*call.layer.wrappers, program),
        decoded=(*call.layer.decoded, *found.steps),
        pipe_from=() if is_input else call.layer.pipe_from,
    )
    call = whole_pipeline(call) if is_input else call
    for words in found.words:
        commands += run(walker, Call(layer, call.start, call.end), words, None).commands
    for text in found.texts:
        commands += inner_text(walker, call, text, layer, program, Peeled(), None).commands
    return Result(commands)


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
