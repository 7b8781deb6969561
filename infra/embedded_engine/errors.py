"""What the engine says when it will not or cannot, and the version by which it is known."""

VERSION = "v3.272.0+embedded.1"  # greater than what the SDK asks for; the metadata names us


class EngineError(Exception):
    """Ends the command: `error: <text>` on standard error, `code` (see README) as exit status."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text, self.code = text, code


class StackNotFoundError(EngineError):
    def __init__(self, name: str) -> None:
        super().__init__(f"no stack named '{name}' found", 6)


class RefusedError(EngineError):
    """`what` completes the sentence "the embedded engine does not support …"."""

    def __init__(self, what: str) -> None:
        way_out = "install the Pulumi CLI to use it"
        super().__init__(f"the embedded engine does not support {what}; {way_out}", 2)
