from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate, pre_migrate

from apps.core import letter_index


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        # Once for each `migrate`: this app has no models, and gets no signals of its own.
        one = apps.get_app_config("auth")
        pre_migrate.connect(letter_index.forget, sender=one)
        post_migrate.connect(letter_index.keep, sender=one)
