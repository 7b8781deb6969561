"""A program with a mistake in it."""

raise ZeroDivisionError("the team divided by zero")
