"""The product's whole job, done from outside: wallets that trade through the public API on a real chain.

Nothing here imports Django or the project's own decoding: what it finds is what any client would find.
"""
