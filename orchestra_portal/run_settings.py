"""The settings of the run process: what serves pages stays out, so that it starts sooner."""

from orchestra_portal.settings import *  # noqa: F403 - the portal's own, then less of them

_SERVING = {
    "orchestra_portal.apps.PortalAdminConfig",
    "apps.dashboard",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "whitenoise.runserver_nostatic",
    "channels",
    "csp",
    "daphne",
    "django_celery_beat",
    "drf_spectacular",
    "rest_framework",
}
INSTALLED_APPS = [
    "orchestra_portal.apps.HintsConfig",
    *[app for app in INSTALLED_APPS if app not in _SERVING],  # noqa: F405 - the same
]
MIDDLEWARE = []
