"""The one exception a user may see."""


class UserError(ValueError):
    """A mistake in the input or the call. The message is a whole sentence: what is wrong, where, and what to do."""
