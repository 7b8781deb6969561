"""What a page asks twice: told once while it is read, and asked anew wherever something changes."""

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from apps.core.remembering import RememberMiddleware, once, remembering
from apps.environments.models import Environment

asked = []


@once
def told(*args, **kwargs):
    asked.append((args, kwargs))
    return len(asked)


@pytest.fixture(autouse=True)
def nothing_asked():
    asked.clear()


def test_nothing_is_kept_outside_of_a_page():
    assert (told(1), told(1)) == (1, 2)


def test_the_same_question_is_asked_once_in_a_page():
    with remembering():
        assert (told(1), told(1), told(2), told(1, word=1), told(1, word=1)) == (1, 1, 2, 3, 3)
    assert told(1) == 4


def test_a_row_is_itself_however_it_was_read(development):
    again = Environment.objects.get(pk=development.pk)
    with remembering():
        assert told(development) == told(again)
        assert told(Environment(slug="new")) != told(Environment(slug="other"))
        assert told(development) != told(Environment(pk=development.pk + 1))


@pytest.mark.parametrize(("method", "kept"), [("get", True), ("head", True), ("post", False)])
def test_only_a_request_that_reads_keeps_answers(method, kept):
    def page(_request):
        return HttpResponse("1" if told(1) == told(1) else "2")

    request = getattr(RequestFactory(), method)("/")
    assert (RememberMiddleware(page)(request).content == b"1") is kept


def test_an_answer_ends_with_its_page_even_when_the_page_fails():
    def page(_request):
        told(1)
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            RememberMiddleware(page)(RequestFactory().get("/"))
    assert len(asked) == 2
