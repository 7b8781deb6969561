"""What nobody would see in a page is shown; everything else goes through as it is."""

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from apps.core.middleware import ShownCharactersMiddleware

HOSTILE = "a\x1b[31mb\u202ec\u2066d\x00e\tf\ng ü—…\u200d"


def answered(rf, response):
    return ShownCharactersMiddleware(lambda _request: response)(rf.get("/admin/"))


def test_a_page_shows_what_would_turn_it_around(rf):
    answer = answered(rf, HttpResponse(HOSTILE))
    assert answer.content.decode() == "a␛[31mb␛c␛d␛e\tf\ng ü—…\u200d"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/png"])
def test_what_is_no_page_goes_through_as_it_is(rf, kind):
    assert answered(rf, HttpResponse(HOSTILE, content_type=kind)).content == HOSTILE.encode()
    stream = answered(rf, StreamingHttpResponse([HOSTILE], content_type="text/html"))
    assert b"".join(stream) == HOSTILE.encode()
