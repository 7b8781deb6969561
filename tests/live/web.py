"""A real web process on the tests' database, and a browser's end of a real socket."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import aiohttp
from django.conf import settings
from django.db import connection
from django.test import Client

from tests.servers import free_port

LIMIT = 40.0


def database_url():
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    return (
        f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}"
        f"/{given['NAME']}"
    )


class Web:
    """daphne with our ASGI application, the same database, keys and hint folder as this process."""

    def __init__(self, port=None, home=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = settings.ORCHESTRA_HOME / f"web-{self.port}.log"
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database_url(),
            "ORCHESTRA_HOME": str(home or settings.ORCHESTRA_HOME),
        }
        command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "orchestra_portal.asgi:application"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz"):
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def stop(self, limit=15):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit)


class Browser:
    """One loop in a thread; `open` gives lines. Messages are read in order with `hear`."""

    def __init__(self, web):
        self.web = web
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.lines = []
        self.session = self.run(self._session())

    async def _session(self):
        return aiohttp.ClientSession()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(LIMIT)

    def open(self, user=None, token=None, origin=None, cookie=None):
        headers = {"Origin": self.web.url if origin is None else origin}
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = f"portal_session={client.session.session_key}"
        if cookie is not None:
            headers["Cookie"] = cookie
        if token is not None:
            headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.web.url}/ws/live/"
        socket = self.run(self.session.ws_connect(url, headers=headers, max_msg_size=0))
        line = Line(self, socket)
        self.lines.append(line)
        return line

    def close(self):
        for line in self.lines:
            line.close()
        self.run(self.session.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(LIMIT)
        self.loop.close()


class Line:
    def __init__(self, browser, socket):
        self.browser = browser
        self.socket = socket
        self.heard = asyncio.Queue()
        self.reading = asyncio.run_coroutine_threadsafe(self._read(), browser.loop)

    async def _read(self):
        # A read that is canceled may lose a message, so reading never stops.
        while True:
            message = await self.socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                await self.heard.put(("closed", self.socket.close_code))
                return
            await self.heard.put(json.loads(message.data))

    def say(self, **message):
        self.browser.run(self.socket.send_str(json.dumps(message)))

    def follow(self, topic, after=None):
        self.say(type="subscribe", topic=topic, after=after)
        return self

    def hear(self, timeout=LIMIT, *, skip=("heartbeat",)):
        """The next message; ("closed", code) at the end; TimeoutError when silent."""
        while True:
            message = self.browser.run(asyncio.wait_for(self.heard.get(), timeout))
            if isinstance(message, tuple) or message["type"] not in skip:
                return message

    def items(self, count, topic=None):
        """The next items, at least `count`, in the order of their frames."""
        found = []
        while len(found) < count:
            message = self.hear()
            assert message["type"] == "messages", message
            assert topic in (None, message["topic"])
            found += message["items"]
        return found

    def is_silent(self, seconds=0.4):
        try:
            self.hear(seconds)
        except TimeoutError:
            return True
        return False

    def close(self):
        self.browser.run(self.socket.close())
        self.reading.result(LIMIT)
