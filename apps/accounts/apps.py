from django.apps import AppConfig, apps


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    verbose_name = "People and access"

    def ready(self) -> None:
        if not apps.is_installed("django.contrib.admin"):
            # The run process serves no pages and no API.
            return
        from django.contrib import admin  # noqa: PLC0415 - the site is made by its own app

        from apps.accounts import admin_people, pages, schema  # noqa: F401, PLC0415 - they register once settings are read
        from apps.accounts.logins import LoginForm  # noqa: PLC0415 - needs the models
        from apps.core.admin import PortalAdminSite  # noqa: PLC0415 - the same

        site = admin.site
        assert isinstance(site, PortalAdminSite)
        site.login_form = LoginForm
        site.page("people/me/", pages.own_page, "own-roles")
        site.page("people/<int:pk>/", pages.person_page, "person")
