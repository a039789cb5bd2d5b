"""Print the page of the catalogue: `python -m features > features/CATALOGUE.md`."""

from __future__ import annotations

from features.catalogue import CATALOGUE
from features.catalogue_page import catalogue_page

if __name__ == "__main__":
    print(catalogue_page(CATALOGUE), end="")
