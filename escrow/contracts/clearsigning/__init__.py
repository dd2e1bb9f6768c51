"""ERC-7730 files: what a wallet shows of our messages and calls in place of hex. `formats` says it, `files` writes it down."""
