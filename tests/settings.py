"""Settings of the test run: the product's own, with a throw-away data folder and cheap password hashing."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_data = Path(tempfile.mkdtemp(prefix="signalbox-test-"))
_owner = os.getpid()
(_data / "static").mkdir()


@atexit.register
def _remove_data() -> None:
    if os.getpid() == _owner:
        shutil.rmtree(_data, ignore_errors=True)


os.environ["SIGNALBOX_DATA"] = str(_data)
# A developer's own servers must never be written to by a test.
for _name in ("DATABASE_URL", "BROKER_URL", "CACHE_URL"):
    os.environ.pop(_name, None)

from config.settings import *  # noqa: E402, F403 (the folder must be known before the product's settings are read)
from config.settings import DATABASES  # noqa: E402 (see above)

# Hundreds of users are made in tests; a slow hash proves nothing there.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A file, as in production: other threads and processes see it, and locks behave alike.
DATABASES["default"].setdefault("TEST", {})["NAME"] = str(_data / "test.sqlite3")
# Each test client would list all static files anew.
WHITENOISE_AUTOREFRESH = True
