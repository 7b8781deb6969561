"""One outside thing each, looked at without the ORM: typed in, typed out, with a limit of time."""
