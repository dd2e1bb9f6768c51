class DeployError(Exception):
    """A deployment that can't go on: its text is a sentence or two for a person, with what to do about it."""
