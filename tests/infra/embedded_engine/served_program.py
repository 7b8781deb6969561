"""A program as the SDK serves it to an engine that may be killed at any moment."""

# ruff: noqa: N802 - the methods of the server have the protocol's names

import asyncio
import threading
import traceback

from pulumi.automation._server import LanguageServer


class Program(LanguageServer):
    """The SDK's server of one program; `idle` is set while the program is not running."""

    def __init__(self, program):
        super().__init__(program)
        self.idle = threading.Event()
        self.idle.set()

    def Run(self, request, context):
        self.idle.clear()
        try:
            return super().Run(request, context)
        except BaseException as error:
            finish_loop_of(error)
            raise
        finally:
            self.idle.set()


def finish_loop_of(error):
    """
    The SDK stops its event loop when the engine is gone, and then cannot end the program's tasks
    on it: loop, tasks and sockets stay open. They are ended here, or a later test fails for them.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        loop = frame.f_locals.get("loop")
        if not isinstance(loop, asyncio.AbstractEventLoop) or loop.is_closed():
            continue
        loop.set_exception_handler(lambda *_: None)
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()
