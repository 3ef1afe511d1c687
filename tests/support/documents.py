"""Headings of the documents, to which links lead."""

import re
from pathlib import Path


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and the Hub give a page's headings."""
    headings = re.findall(r"^#+ (.+)", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
