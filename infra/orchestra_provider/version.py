"""Name and version of the provider, as the engine and the portal see them."""

NAME = "orchestra"
VERSION = "0.1.0"
