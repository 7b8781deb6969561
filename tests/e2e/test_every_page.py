"""
Every page of the admin as each role: nothing answers with an error of ours, every link leads
somewhere, and a button that a role may not use says why.
"""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest

from tests.conftest import person
from tests.dashboard.conftest import (  # noqa: F401 - fixtures
    busy_places,
    deployment,
    plan,
    server,
)
from tests.e2e.seeding import seed

# Some three hundred pages for each role.
pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ROLES = ("viewer", "operator", "approver", "admin", "auditor")
LINK = re.compile(r'<a\b[^>]*?\shref="([^"]*)"')
BLOCKED = re.compile(r"<button[^>]*\bdisabled[^>]*>.*?</button>", re.DOTALL)
REASON = re.compile(r"needs (admin|approver|operator|auditor)|may not|Nobody gives|Another|title=")
# Not pages: files, and what ends the session.
LEFT_OUT = re.compile(r"/(logout|jsi18n)/|/api/|/static/|/autocomplete/")
# What a terminal obeys, and what turns a line around.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]")
MOST = 400


@pytest.fixture
def everything(busy_places, development, staging, production, deployment, server):  # noqa: F811 - the fixtures
    """A row of everything, in every status; texts from outside mean ill."""
    seed(deployment, development=development, staging=staging, production=production)


def links_of(text, address):
    for href in LINK.findall(text):
        target = urlsplit(urljoin(address, unescape(href)))
        if target.path.startswith("/admin/") and not LEFT_OUT.search(target.path):
            yield target.path + (f"?{target.query}" if target.query else "")


def shape_of(address):
    """Two pages of one shape are looked at twice at most."""
    path, _, query = address.partition("?")
    return re.sub(r"\d+", "N", path) + "?" + ",".join(sorted(re.findall(r"(\w+)=", query)))


@pytest.mark.parametrize("role", ROLES)
def test_every_link_leads_somewhere(client, everything, role):
    client.force_login(person(f"the-{role}", role))
    client.raise_request_exception = False
    seen, shapes, wrong = set(), {}, []
    waiting = [("/admin/", "the start")]
    while waiting and len(seen) < MOST:
        address, origin = waiting.pop(0)
        shape = shape_of(address)
        if address in seen or shapes.get(shape, 0) >= 2:
            continue
        seen.add(address)
        shapes[shape] = shapes.get(shape, 0) + 1
        answer = client.get(address)
        if answer.status_code in (301, 302):
            waiting.append((urljoin(address, answer["Location"]), address))
        elif answer.status_code != 200:
            wrong.append(f"{answer.status_code} {address} (from {origin})")
        elif answer["Content-Type"].startswith("text/html"):
            text = answer.content.decode()
            if BLOCKED.search(text) and not REASON.search(text):
                wrong.append(f"a blocked button without a reason: {address}")
            if UNSEEN.search(text):
                wrong.append(f"a character that nobody sees: {address}")
            waiting += [(link, address) for link in links_of(text, address)]
    assert len(seen) > 25
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_no_confirmation_answers_with_an_error_of_ours(client, everything, role):
    """Every form is sent empty: it is refused in words, or it does what it says."""
    client.force_login(person(f"the-{role}", role))
    client.raise_request_exception = False
    seen, wrong = set(), []
    for start in ("/admin/", "/admin/environments/staging/", "/admin/people/me/"):
        for page in sorted(set(links_of(client.get(start).content.decode(), start))):
            for address in [page, *links_of(client.get(page).content.decode(), page)]:
                shape = shape_of(address)
                if shape in seen:
                    continue
                seen.add(shape)
                text = client.get(address).content.decode()
                if 'class="op-confirm" method="post"' not in text:
                    continue
                answer = client.post(address, {})
                if answer.status_code >= 500:
                    wrong.append(f"{answer.status_code} {address}")
    assert wrong == []
