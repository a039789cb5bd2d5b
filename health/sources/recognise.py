"""Which vendor's layout a source's tables have, and which table is which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from health.sources.inventory import FoundTable
from health.sources.layouts import Layout, LayoutTable, layouts, plain_name

#: Endings by which exports mark what a table is, not what is in it.
_ENDINGS = re.compile(r"(?<=.)(?:data|table|export)$")
#: Beginnings that name the vendor.
_VENDORS = {
    "fivetran_stripe": ("stripe",),
    "fivetran_zendesk": ("zendesk", "zd"),
    "fivetran_hubspot": ("hubspot", "hs"),
    "fivetran_salesforce": ("salesforce", "sf", "sfdc"),
    "posthog": ("posthog", "ph"),
    "segment": ("segment",),
    "amplitude": ("amplitude",),
    "delighted": ("delighted",),
}


@dataclass(frozen=True)
class Recognised:
    """A layout that a source's tables have.

    Attributes
    ----------
    layout : Layout
        The vendor's layout.
    place : str
        The folder or schema of its tables; empty where they are in the source itself.
    tables : mapping of str to FoundTable
        By the recipe's name of each table.
    """

    layout: Layout
    place: str
    tables: Mapping[str, FoundTable]


@dataclass(frozen=True)
class Recognition:
    """What was recognised of a source's tables, and what was not.

    Attributes
    ----------
    recognised : tuple of Recognised
        Layouts of which every required table is present.
    partial : tuple of (Recognised, tuple of str)
        Layouts of which some table is present, and the names of those that are missing.
    unused : tuple of FoundTable
        Tables that no layout reads.
    """

    recognised: tuple[Recognised, ...]
    partial: tuple[tuple[Recognised, tuple[str, ...]], ...]
    unused: tuple[FoundTable, ...]


def recognise(tables: Iterable[FoundTable]) -> Recognition:
    """Recognise vendors' layouts by the names and columns of tables.

    A table is recognised where it has a layout's name for it and every required column; where
    the columns alone suffice (events), whatever its name. Tables of one layout are looked for in
    one folder or schema.
    """
    known = list(tables)
    whole: list[Recognised] = []
    partial: list[tuple[Recognised, tuple[str, ...]]] = []
    places = by_place(known)
    for layout in layouts().values():
        matched = [(here, match_tables(layout, here.tables)) for here in places]
        taken: set[int] = set()
        for here, found in sorted(matched, key=lambda match: -len(match[1])):
            if not found or not taken.isdisjoint(map(id, found.values())):
                continue
            taken |= set(map(id, found.values()))
            missing = tuple(t.name for t in layout.tables if not t.optional and t.name not in found)
            recognised = Recognised(layout, here.place, found)
            if missing:
                partial.append((recognised, missing))
            else:
                whole.append(recognised)
    used = {id(table) for one in whole for table in one.tables.values()}
    unused = tuple(table for table in known if id(table) not in used)
    return Recognition(tuple(whole), tuple(partial), unused)


@dataclass(frozen=True)
class Place:
    """The tables of one folder, workbook or schema."""

    place: str
    tables: tuple[FoundTable, ...]


def by_place(tables: Iterable[FoundTable]) -> list[Place]:
    """Return tables by place; where each is a folder of parts, also by the folder of these."""
    known = list(tables)
    places: dict[str, list[FoundTable]] = {}
    above: dict[str, list[FoundTable]] = {}
    for table in known:
        places.setdefault(table.place, []).append(table)
        folder = PurePath(table.place)
        if table.path and folder.name == table.name:
            parent = folder.parent.as_posix()
            above.setdefault("" if parent == "." else parent, []).append(table)
    found = [Place(place, (*here, *above.pop(place, ()))) for place, here in places.items()]
    return found + [Place(place, tuple(below)) for place, below in above.items()]


def match_tables(
    layout: Layout,
    tables: Iterable[FoundTable],
    names: Mapping[str, str] | None = None,
) -> dict[str, FoundTable]:
    """Return the tables that a layout's recipes read, by the recipe's name.

    Parameters
    ----------
    layout : Layout
        The vendor's layout.
    tables : iterable of FoundTable
        Of one folder or schema.
    names : mapping of str to str, optional
        By the recipe's name, what the source calls a table, where it is another name.
    """
    known = list(tables)
    given = names or {}
    found = {}
    for table in layout.tables:
        candidates = [t for t in known if not table.missing(t.columns)]
        if table.name in given:
            wanted = plain_name(given[table.name])
            candidates = [t for t in candidates if wanted in (plain_name(t.name), t.label)]
        else:
            named = [t for t in candidates if _is_called(t, table, layout)]
            if not named and table.distinctive is not None:
                named = [t for t in candidates if not table.missing(t.columns, table.distinctive)]
            candidates = named
        if candidates:
            # The closest name: customer before customer_data.
            found[table.name] = min(candidates, key=lambda t: (len(t.name), t.name))
    return found


def _is_called(found: FoundTable, table: LayoutTable, layout: Layout) -> bool:
    name = _ENDINGS.sub("", plain_name(found.name))
    names = {plain_name(n) for n in table.names}
    if name in names:
        return True
    # stripe_invoice, stripe.invoices, stripe__invoice: a vendor's name, or its schema, before it.
    prefixes = _VENDORS.get(layout.preset, ())
    return any(name.startswith(prefix) and name[len(prefix) :] in names for prefix in prefixes)
