"""What the stack says when it cannot go on: a sentence for a person, never a traceback."""


class StackError(Exception):
    """An expected failure: its text is one clear sentence and what to do about it."""
