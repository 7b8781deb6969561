"""The settings of the worker: as the run process, it serves no pages."""

from orchestra_portal.run_settings import *  # noqa: F403 - the portal's own, then less of them

# `worker.py` loads the broker itself; the module of this one knows the admin, too.
INSTALLED_APPS = [app for app in INSTALLED_APPS if not app.endswith(".HintsConfig")]  # noqa: F405 - the same
# Celery has Django check itself at a start, and that would load every page and what they are made
# with.
ROOT_URLCONF = ""
TEMPLATES = []
# Celery would close every connection after every task. Here they end as Django's own do, when they
# are old or broken: see `worker.py`.
CELERY_DB_REUSE_MAX = 2**62
