"""The model (tests/support/model) and the shipped byte code, side by side: the same random calls, compared after each."""
