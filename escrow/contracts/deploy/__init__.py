"""Puts the committed artifacts on a chain: `escrow` the escrow, by CREATE2, so that it has one address everywhere; `tokens` demonstration tokens."""
