"""The one exception that is addressed to the user rather than to a programmer."""


class UserError(ValueError):
    """Input that cannot be used: one line saying what was wrong, what was expected, what to do.

    The command line prints it without a traceback and exits with code 2. Library callers may
    catch it as the `ValueError` it is.
    """
