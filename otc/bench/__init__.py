"""Every figure the project claims, measured by one command: `manage.py bench NAME [--json]`.

A bench is a module of this package with `run() -> list[Row]`. It starts what it needs itself and leaves nothing behind.
"""
