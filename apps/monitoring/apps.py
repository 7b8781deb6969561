from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "apps.monitoring"
    label = "monitoring"
    verbose_name = "Health"

    def ready(self) -> None:
        from apps.monitoring import receivers  # noqa: F401, PLC0415 - connects them
