from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig

# Every process that Django sets up sends its hints through this broker, web and commands included.
from orchestra_portal.celery import app as celery_app

__all__ = ["HintsConfig", "PortalAdminConfig", "celery_app"]


class PortalAdminConfig(AdminConfig):
    """Makes `admin.site` the portal's own site, so stock registrations land in it."""

    default_site = "apps.core.admin.PortalAdminSite"

    def ready(self) -> None:
        """Beat's rows come from `schedule.py`: a form for them would be a door past the verbs."""
        super().ready()
        for model in apps.get_app_config("django_celery_beat").get_models():
            if admin.site.is_registered(model):
                admin.site.unregister(model)


class HintsConfig(AppConfig):
    """Only the broker: for the run process, which serves no pages."""

    name = "orchestra_portal"
    label = "portal"
