# SPDX-License-Identifier: BSL-1.0
"""Finds broken links between the pages of a static site."""
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def check_links(site):
    """Returns the broken links, as text, and the links to other hosts."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    broken, external = [], set()
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                external.add(link)
            elif not parts.scheme and not is_there(pages, path, parts):
                broken.append(f"{path.relative_to(site)}: {link}")
    return broken, sorted(external)


def is_there(pages, path, parts):
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not parts.fragment or target not in pages:
        return target.is_file()
    return unquote(parts.fragment) in pages[target].anchors
