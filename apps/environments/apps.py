from django.apps import AppConfig, apps


class EnvironmentsConfig(AppConfig):
    name = "apps.environments"
    label = "environments"
    verbose_name = "Environments"

    def ready(self) -> None:
        from apps.accounts.places import register  # noqa: PLC0415 - needs the models
        from apps.environments.lookup import all_slugs  # noqa: PLC0415 - the same
        from apps.environments.matrix import (  # noqa: PLC0415 - the same
            reading,  # noqa: F401 - adds its lines
        )
        from apps.environments.validation import (  # noqa: F401, PLC0415 - these add themselves
            certificate_checks,
            clock_checks,
            database_checks,
            port_checks,
            readiness_checks,
            secret_checks,
            setting_checks,
            setup_checks,
        )

        register(all_slugs)
        if apps.is_installed("django.contrib.admin"):
            from apps.environments import (  # noqa: PLC0415 - needs the site
                base_pages,
                freeze_pages,
                rule_pages,
                secret_pages,
                setting_pages,
                source_pages,
                time_pages,
            )

            for pages in (
                base_pages,
                freeze_pages,
                rule_pages,
                secret_pages,
                setting_pages,
                source_pages,
                time_pages,
            ):
                pages.register_pages()
