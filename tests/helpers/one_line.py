"""How the tests ask for an error in one line."""

import pytest

from improved_gan_tf.cli import main as cli
from improved_gan_tf.errors import UserError


def refusal_of(function):
    """fails(message, *arguments, **options): `function` refuses them, in one line that says it.

    The message is a regular expression.
    """

    def fails(message, *arguments, **options):
        with pytest.raises(UserError, match=message) as caught:
            function(*arguments, **options)
        assert "\n" not in str(caught.value)

    return fails


def refused_command(capsys, *arguments):
    """The one line on stderr of a command that its input makes impossible."""
    assert cli.main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("improved-gan: error: ") and error.count("\n") == 1
    return error


def refused_usage(capsys, *arguments):
    """The one line on stderr of arguments that the parser refuses."""
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error
