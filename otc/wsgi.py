"""WSGI entry: pages, REST and admin."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "otc.settings")
application = get_wsgi_application()
