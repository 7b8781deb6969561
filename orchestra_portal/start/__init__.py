"""
`make run`: from a fresh clone to a running portal, with nothing but the standard library.

Nothing in this package except `preparation` and `under_way` may import a third-party package at its
top: the code runs before the virtual environment exists. Order of the steps: `start.run`.
"""
