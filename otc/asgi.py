"""ASGI entry. Pages and REST run on WSGI; this one serves hosts that speak ASGI only."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "otc.settings")
application = get_asgi_application()
