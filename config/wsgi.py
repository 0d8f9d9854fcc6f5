"""WSGI entry point: pages and API of the scaled set-up."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SIGNALBOX_COMPONENT", "web")

application = get_wsgi_application()
