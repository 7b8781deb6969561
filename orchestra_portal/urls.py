"""Every HTTP route of the portal."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from apps.accounts.api import MeView
from apps.monitoring.api import CallView
from orchestra_portal.api import router
from orchestra_portal.docs import docs
from orchestra_portal.errors import unknown_route
from orchestra_portal.health import api_health, healthz, readyz
from orchestra_portal.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/me/", MeView.as_view(), name="me"),
    path("api/v1/monitoring/heartbeats/<str:token>/", CallView.as_view(), name="heartbeat"),
    path("api/v1/", include(router.urls)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
    path("api/health", api_health, name="api-health"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    re_path(r"^api/", unknown_route),
]
handler400 = "orchestra_portal.errors.bad_request"
handler403 = "orchestra_portal.errors.forbidden"
handler404 = "orchestra_portal.errors.not_found"
handler500 = "orchestra_portal.errors.our_fault"
