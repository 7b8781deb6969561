from django.apps import AppConfig


class McpConfig(AppConfig):
    name = "apps.mcp"
    label = "mcp"
    verbose_name = "MCP servers"

    def ready(self) -> None:
        from apps.mcp import receivers  # noqa: F401, PLC0415 - connects them once models are ready
