#!/usr/bin/env python3
"""The one entry: `python3 manage.py up`, `test`, `rehearse`, `lint`, and every Django command.

Needs Python 3.11 and nothing else: otc/bootstrap.py makes .venv from the hash-pinned lock and this file goes on inside it.
Old Pythons must be able to read these lines and the ones of otc/bootstrap.py far enough to say what they miss.
"""

import os
import sys

OLDEST = (3, 11)


def main():  # noqa: ANN201 - read by old Pythons too
    if sys.version_info < OLDEST:
        sys.exit(
            "Forelock needs Python 3.11 or newer, this is {}.{}: install a newer one and start with it, "
            "for example `python3.12 manage.py up`.".format(*sys.version_info[:2])
        )
    root = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - as above
    sys.path.insert(0, root)
    bootstrap = load_bootstrap(root)
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    bootstrap.enter(root, command)

    from otc.stack import environment
    from otc.stack.errors import StackError

    try:
        environment.prepare(command)
        run_django()
    except StackError as error:
        sys.exit("\n" + str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def load_bootstrap(root):  # noqa: ANN001, ANN201 - as above
    """otc/bootstrap.py by its path: `import otc` would want the packages that it is there to install."""
    from importlib import util

    spec = util.spec_from_file_location("forelock_bootstrap", os.path.join(root, "otc", "bootstrap.py"))  # noqa: PTH118
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_django():  # noqa: ANN201 - as above
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "otc.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
