"""The command line: commands, flags, refusals."""

import pytest

from infra.embedded_engine import cli
from infra.embedded_engine.errors import RefusedError


def test_flags_come_in_every_form_the_sdk_uses():
    args = cli.parse(
        ["--non-interactive", "up", "--skip-preview", "--parallel=4", "--client=127.0.0.1:1",
         "--replace", "u1", "--replace", "u2", "--run-program=false", "--stack", "dev"]
    )  # fmt: skip
    assert args.command == "up"
    assert args.values["parallel"] == "4"
    assert args.all("replace") == ["u1", "u2"]
    assert args.on["run-program"] is False
    assert args.value("stack") == "dev"


def test_everything_after_two_dashes_is_a_value():
    args = cli.parse(["config", "set", "k", "--secret", "--stack", "dev", "--", "--not-a-flag"])
    assert args.words == ["k", "--not-a-flag"]


def test_pairs_keep_their_order():
    args = cli.parse(
        ["config", "set-all", "--secret", "a=1", "--plaintext", "b=2", "--secret", "c=3"]
    )
    assert args.ordered == [("secret", "a=1"), ("plaintext", "b=2"), ("secret", "c=3")]


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["up", "--target", "u"], "targets and excludes"),
        (["up", "--exclude=u"], "targets and excludes"),
        (["preview", "--policy-pack", "p"], "policy packs"),
        (["preview", "--import-file", "f"], "--import-file"),
        (["refresh", "--import-pending-creates", "u"], "--import-pending-creates"),
        (["up", "--remote"], "remote operations"),
        (["up", "--remote-git-branch", "b"], "remote operations"),
        (["import", "--file", "f"], "the import command"),
        (["new"], "the new command"),
        (["policy", "ls"], "the policy command"),
        (["config", "env", "add", "e"], "the config env command"),
        (["state", "repair"], "the state repair command"),
    ],
)
def test_what_is_left_out_is_refused_by_name(argv, text):
    with pytest.raises(RefusedError) as refused:
        cli.parse(argv)
    assert refused.value.code == 2
    assert text in refused.value.text
    assert refused.value.text.endswith("install the Pulumi CLI to use it")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["frobnicate"], 'unknown command "frobnicate" for "pulumi"'),
        (["stack", "frobnicate"], 'unknown command "frobnicate" for "pulumi stack"'),
        (["stack", "ls", "--frob"], "unknown flag: --frob"),
        (["stack", "ls", "--client=x"], "unknown flag: --client"),
        ([], 'unknown command "" for "pulumi"'),
        (["up", "--message"], "flag needs an argument: --message"),
    ],
)
def test_what_nobody_knows_is_told_with_the_way_to_help(argv, text):
    with pytest.raises(cli.UsageError) as error:
        cli.parse(argv)
    assert error.value.text.startswith(text)
    assert error.value.text.endswith("Run 'pulumi --help' for usage.")
    assert error.value.code == 1


def test_a_failure_says_error_once_and_gives_the_exit_status(capsys):
    assert cli.main(["frobnicate"]) == 1
    assert capsys.readouterr().err.startswith("error: unknown command")
