import pytest

from tests.live.web import Browser, Web


@pytest.fixture(scope="session")
def web_process(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        web = Web()
    yield web
    web.stop()


@pytest.fixture
def browser(transactional_db, web_process):
    browser = Browser(web_process)
    yield browser
    browser.close()
