"""
Time of pages against the number of rows, on SQLite and on PostgreSQL.

- Home with 50 environments, 2,000 checks and 100,000 deployments ÷ home with the same environments
  and nothing in them; goal ≤ 2.
- Admin lists, every registered model: 100,000 rows ÷ 100 rows; first and last page, each filter,
  each search; goal ≤ 1.5.
- API lists, every one with pages: 1,000,000 rows ÷ 1,000 rows, or 100,000 where only people add;
  first and deep page, each filter, each order; goal ≤ 1.3.

Two processes with a database each answer in turn, so that both are disturbed alike: see
`filling/sides.py`. A line is the two medians, their ratio, and the quartiles of the pairs' ratios.
Exits 1 when one is over its goal.

Usage: bench/pages.py [--database sqlite|postgres|both] [--rows N] [--api-rows N] [--only WORD]
                      [--pairs N]
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
from collections.abc import Callable, Iterator
from functools import partial

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.filling.sides import Ratio, Side, compare  # noqa: E402 - needs the path
from tests.servers import run_postgres  # noqa: E402 - the same

PLACES, FEW, API_FEW, CHECKS = 50, 100, 1000, 2000
HOME, LIST, API = 2.0, 1.5, 1.3
# Parents before their children; everything that a list of the admin or of the API shows.
TABLES = (
    "auth.User", "environments.Environment", "accounts.Token", "accounts.RoleBinding",
    "environments.Setting", "environments.Secret", "environments.Port", "environments.Freeze",
    "environments.Window", "environments.NamedLock", "environments.Stop", "monitoring.Check",
    "monitoring.CheckResult", "monitoring.CheckHour", "monitoring.AllowedRange",
    "monitoring.Incident", "monitoring.IncidentEntry", "monitoring.AlertRoute",
    "monitoring.Delivery", "deployments.Deployment", "deployments.Run", "deployments.RunEvent",
    "deployments.DriftLook", "deployments.StateCopy", "deployments.Hold", "deployments.Evidence",
    "deployments.RejectedRevision", "deployments.Schedule", "deployments.Firing", "mcp.McpServer",
    "mcp.ToolDefinition", "audit.AuditEvent",
)  # fmt: skip

# What grows by itself. People do not declare a million of the others.
GROWING = frozenset({
    "audit.AuditEvent", "deployments.Deployment", "deployments.Evidence", "deployments.Firing",
    "deployments.Hold", "deployments.Run", "deployments.RunEvent", "deployments.StateCopy",
    "monitoring.CheckHour", "monitoring.CheckResult", "monitoring.Delivery",
    "monitoring.Incident", "monitoring.IncidentEntry",
})  # fmt: skip
MOST_DECLARED, MOST_PLACES = 100_000, 30_000


class Sheet:
    """Prints the lines and keeps which are over their goal."""

    def __init__(self, pairs: int) -> None:
        self.pairs = pairs
        self.all, self.over = 0, []  # type: int, list[str]

    def note(self, name: str, ask: Callable[[int], Ratio], goal: float) -> None:
        """What seems over its goal is asked three times as often: most of it is noise."""
        self.all += 1
        found = ask(self.pairs)
        if found.middle > goal:
            found = ask(3 * self.pairs)
        bad = found.middle > goal
        if bad:
            self.over.append(name)
        print(
            f"  {name:<66} {found.few:7.1f} ms {found.many:7.1f} ms  {found.middle:5.2f}"
            f"  ({found.low:.2f} to {found.high:.2f}){f'  over {goal}' if bad else ''}",
            flush=True,
        )


@contextlib.contextmanager
def sides(kind: str) -> Iterator[tuple[Side, Side]]:
    """One portal with few rows, one with many, each with the tables there are."""
    with contextlib.ExitStack() as stack:
        databases = ["", ""]
        if kind == "postgres":
            programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
            server = stack.enter_context(run_postgres(programs))
            databases = [server.create_database(name) for name in ("few", "many")]
        both = []
        for database in databases:
            both.append(Side(database))
            stack.callback(both[-1].end)
        yield both[0], both[1]


def measure(kind: str, given: argparse.Namespace) -> Sheet:
    sheet = Sheet(given.pairs)
    with sides(kind) as (few, many):
        for side in (few, many):
            side.ask("fill", "environments.Environment", PLACES)
        if not given.only:
            many.ask("fill", "monitoring.Check", CHECKS)
            many.ask("fill", "deployments.Deployment", given.rows)
            sheet.note("home", partial(compare, few, many, "/admin/"), HOME)
            many.ask("trim", "monitoring.Check", FEW)
            many.ask("trim", "deployments.Deployment", FEW)
        if given.rows:
            lists(sheet, few, many, given)
        if given.api_rows:
            endpoints(sheet, few, many, given)
    return sheet


def first_rows(few: Side, many: Side, count: int) -> None:
    for label in TABLES:
        for side in (few, many):
            if label != "environments.Environment":
                side.ask("fill", label, count)


def lists(sheet: Sheet, few: Side, many: Side, given: argparse.Namespace) -> None:
    first_rows(few, many, FEW)
    labels = few.ask("lists")
    # The environments last: every filter offers them.
    for label in sorted(labels, key=lambda label: label == "environments.Environment"):
        if given.only.lower() not in label.lower():
            continue
        look = few.ask("looks", label)
        many.ask("fill", label, most_of(label, given.rows))
        for name, query in look["looks"].items():
            ask = partial(compare, few, many, look["address"] + query)
            sheet.note(f"{label}: {name}", ask, LIST)
        many.ask("trim", label, PLACES if label == "environments.Environment" else FEW)


def most_of(label: str, rows: int) -> int:
    """The rank of an environment is a small integer: no more than 32,767 have a place."""
    if label == "environments.Environment":
        return min(rows, MOST_PLACES)
    return rows if label in GROWING else min(rows, MOST_DECLARED)


def endpoints(sheet: Sheet, few: Side, many: Side, given: argparse.Namespace) -> None:
    first_rows(few, many, API_FEW)
    for each in few.ask("api"):
        if given.only.lower() not in each["model"].lower():
            continue
        most = most_of(each["model"], given.api_rows)
        print(f"  {each['model']}, {most:,} rows", flush=True)
        many.ask("fill", each["model"], most)
        for name, query in each["looks"].items():
            ask = partial(compare, few, many, each["address"] + query)
            sheet.note(f"GET {each['address']}: {name}", ask, API)
        many.ask("trim", each["model"], API_FEW)


def main() -> None:
    ask = argparse.ArgumentParser(description="Time of pages against the number of rows.")
    ask.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    ask.add_argument("--rows", type=int, default=100_000)
    ask.add_argument("--api-rows", type=int, default=1_000_000)
    ask.add_argument("--only", default="", help="models whose label holds this")
    ask.add_argument("--pairs", type=int, default=9, help="answers of each side for one line")
    given = ask.parse_args()
    over = []
    for kind in ("sqlite", "postgres") if given.database == "both" else (given.database,):
        print(f"{kind}: {given.rows:,} ÷ {FEW} rows, API {given.api_rows:,} ÷ {API_FEW:,}")
        sheet = measure(kind, given)
        over += [f"{kind} {name}" for name in sheet.over]
        print(f"{kind}: {sheet.all - len(sheet.over)} of {sheet.all} within their goals")
    for name in over:
        print(f"  over: {name}")
    sys.exit(bool(over))


if __name__ == "__main__":
    main()
