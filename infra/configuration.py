"""
Reads the program's settings. What is wrong with one is said by its name, before anything is
declared.
"""

from collections.abc import Mapping
from typing import Any

import pulumi

MISSING = object()


class SettingsError(ValueError):
    """Begins with the message id by which the portal knows bad settings."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(
            f"[settings.malformed] The setting {key} {problem} "
            "Next: correct it in the environment's settings."
        )


class Settings:
    """The stack's configuration in the namespace `orchestra`."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config

    def text(self, key: str) -> str:
        value = self._config.get(key)
        if not value:
            raise SettingsError(key, "is missing.")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._config.get(key)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise SettingsError(key, f"takes true or false, not {value!r}.")
        return value == "true"

    def secret(self, key: str) -> pulumi.Output[str]:
        value = self._config.get_secret(key)
        if value is None:
            raise SettingsError(key, "is missing; it is a secret.")
        return value

    def section(self, key: str, default: Any = MISSING) -> "Section":
        """A setting that is a map of its own. Raises SettingsError when it is missing or no map."""
        try:
            value = self._config.get_object(key)
        except Exception as error:
            raise SettingsError(key, "is not JSON.") from error
        if value is None and default is MISSING:
            raise SettingsError(key, "is missing.")
        return Section(key, default if value is None else value)


class Section:
    """One map of settings; `where` is its place in words."""

    def __init__(self, where: str, value: Any) -> None:
        if not isinstance(value, Mapping):
            raise SettingsError(where, f"takes a map, not {value!r}.")
        self.where = where
        self._value = value

    def text(self, key: str, default: Any = MISSING) -> str:
        return str(self._get(key, str, "a text", default))

    def number(self, key: str, default: Any = MISSING) -> int:
        value = self._get(key, (int, float), "a whole number", default)
        if isinstance(value, bool) or int(value) != value:
            raise SettingsError(f"{self.where}.{key}", f"takes a whole number, not {value!r}.")
        return int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        return bool(self._get(key, bool, "true or false", default))

    def choice(self, key: str, choices: tuple[str, ...], default: Any = MISSING) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise SettingsError(
                f"{self.where}.{key}", f"is one of {', '.join(choices)}, not {value!r}."
            )
        return value

    def texts(self, key: str) -> list[str]:
        values = self._get(key, list, "a list", [])
        if not all(isinstance(value, str) for value in values):
            raise SettingsError(f"{self.where}.{key}", "takes a list of texts.")
        return list(values)

    def mapping(self, key: str) -> dict[str, str]:
        values = self._get(key, Mapping, "a map", {})
        if not all(isinstance(value, str) for value in values.values()):
            raise SettingsError(f"{self.where}.{key}", "takes a map of texts.")
        return dict(values)

    def section(self, key: str) -> "Section":
        return Section(f"{self.where}.{key}", self._get(key, Mapping, "a map", MISSING))

    def sections(self, key: str) -> list["Section"]:
        values = self._get(key, list, "a list", [])
        return [Section(f"{self.where}.{key}[{n}]", value) for n, value in enumerate(values)]

    def _get(self, key: str, kind: Any, words: str, default: Any) -> Any:
        value = self._value.get(key)
        if value is None:
            if default is MISSING:
                raise SettingsError(f"{self.where}.{key}", "is missing.")
            return default
        if not isinstance(value, kind):
            raise SettingsError(f"{self.where}.{key}", f"takes {words}, not {value!r}.")
        return value
