"""A git server over TLS: real repositories behind `git http-backend`, and what was asked of it."""

import base64
import contextlib
import datetime as dt
import ipaddress
import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PROGRAM = {
    "Pulumi.yaml": "name: orchestra\nruntime: python\n",
    "__main__.py": "import pulumi\n\npulumi.export('greeting', 'from git')\n",
}
IDENTITY = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"],
}  # fmt: skip


def git(folder, *arguments, given=None):
    """What git printed, for building repositories."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=given, capture_output=True, check=True, env=IDENTITY
    )
    return done.stdout.decode().strip()


def make_repository(folder, files=PROGRAM):
    """A repository with one commit on main; its 40 digits."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "-b", "main")
    git(folder, "config", "http.receivepack", "false")
    return commit(folder, files)


def commit(folder, files, message="more"):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def commit_entries(folder, entries):
    """
    A commit on main of entries that no work tree could hold: `(mode, name, content)`; a name with
    slashes makes no folder, a submodule's content is its commit.
    """
    lines = b""
    for mode, name, content in entries:
        kind = "commit" if mode == "160000" else "blob"
        digest = content
        if kind == "blob":
            digest = git(
                folder, "hash-object", "-w", "--stdin", "--literally", given=content.encode()
            )
        lines += f"{mode} {kind} {digest}\t{name}\0".encode()
    tree = git(folder, "mktree", "-z", "--missing", given=lines)
    made = git(folder, "commit-tree", tree, "-m", "entries")
    git(folder, "update-ref", "refs/heads/main", made)
    return made


class Handler(BaseHTTPRequestHandler):
    """CGI for `git http-backend`; `server.answer` may say something else first."""

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, dict(self.headers)))
        if server.answer is not None and server.answer(self):
            return
        if server.token and self.headers.get("Authorization") != server.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],
            input=self.rfile.read(length),
            capture_output=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(server.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(length),
                "REMOTE_ADDR": "127.0.0.1",
            },
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode().split("\r\n")]
        status = next((int(v[:3]) for name, _, v in lines if name == "Status"), 200)
        self.send_response(status)
        for name, _, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - named by http.server

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root, context):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.context = root, context
        self.asked, self.answer, self.token = [], None, ""

    def get_request(self):
        made, address = super().get_request()
        return self.context.wrap_socket(
            made, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, request, client_address):
        """A client that goes away is nothing to print."""

    @property
    def wanted(self):
        return "Basic " + base64.b64encode(f"x-access-token:{self.token}".encode()).decode()

    def url(self, name):
        return f"https://localhost:{self.server_port}/{name}"


def make_certificate(folder: Path):
    """A certificate of localhost that signs itself: chain and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        made.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@contextlib.contextmanager
def git_server(folder):
    """Serves the repositories in `folder/repositories`."""
    root = folder / "repositories"
    root.mkdir(parents=True)
    certificate = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Server(root, context)
    server.certificate = certificate
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
