"""How the tests ask for an error in one line."""

import pytest

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
