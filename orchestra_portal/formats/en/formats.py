"""How Django's own rows and forms show a time; the portal's pages have a tag that does the same."""

DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j M Y H:i"
