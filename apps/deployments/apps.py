from django.apps import AppConfig, apps


class DeploymentsConfig(AppConfig):
    name = "apps.deployments"
    label = "deployments"
    verbose_name = "Deployments"

    def ready(self) -> None:
        # These add themselves.
        from apps.deployments import (  # noqa: F401, PLC0415 - see above
            looks,
            matrix,
            program_looks,
            receivers,
            time_receivers,
        )

        if apps.is_installed("django.contrib.admin"):
            from apps.deployments import (  # noqa: F401, PLC0415 - need the site
                admin_drift,
                admin_glass,
                admin_looks,
                admin_timetable,
            )

            admin_drift.register_pages()
            admin_glass.register_pages()
            admin_timetable.register_pages()
