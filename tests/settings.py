"""The portal's settings with a folder of their own, quick hashing, and no server outside."""

import base64
import os
import tempfile

os.environ.setdefault("ORCHESTRA_HOME", tempfile.mkdtemp(prefix="portal-tests-"))
os.environ.setdefault("PORTAL_SECRET_KEY", "test-" + "k" * 60)
os.environ.setdefault("PORTAL_FIELD_KEYS", f'{{"k1": "{base64.b64encode(b"t" * 32).decode()}"}}')
os.environ.setdefault("PORTAL_LOG_LEVEL", "WARNING")

from orchestra_portal.settings import *  # noqa: F403 - the portal's own, then what follows

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
# `make run` collects static files into it; here the finders serve them.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405 - from the portal's own settings
# Hundreds of clients are made, and each would list every file anew: it is looked for when asked.
WHITENOISE_AUTOREFRESH = True
# A file: threads and processes meet in it as they do in an installation.
DATABASES["default"].setdefault("TEST", {})["NAME"] = (  # noqa: F405 - the same
    str(ORCHESTRA_HOME / "tests.sqlite3")  # noqa: F405 - the same
    if DATABASES["default"]["ENGINE"].endswith("sqlite3")  # noqa: F405 - the same
    else None
)
# Ids repeat from test to test, so that all of them ask as one person.
API_RATE = API_RATE_ANONYMOUS = "1000000/min"
RUN_SETTINGS_MODULE = "tests.settings"
