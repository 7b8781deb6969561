from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "apps.dashboard"
    label = "dashboard"
    verbose_name = "Dashboard"

    def ready(self) -> None:
        from django.contrib import admin  # noqa: PLC0415 - the site exists once apps are loaded

        from apps.core.admin import PortalAdminSite  # noqa: PLC0415 - the same
        from apps.dashboard import overview, views  # noqa: PLC0415 - the same

        site = admin.site
        assert isinstance(site, PortalAdminSite)
        site.home(views.home)
        site.page("environments/<slug:slug>/", views.environment_page, "environment")
        site.page("health/", overview.health, "health")
        site.page("activity/", overview.activity, "activity")
        site.page("metrics/", overview.metrics, "metrics")
        site.page("frame/", views.frame_page, "frame")
        site.context(views.frame)
