# SPDX-License-Identifier: BSL-1.0
"""Writes the pages of the reference from doxygen's XML. Each public header is a doxygen group."""
import xml.etree.ElementTree as ElementTree

# Page, title and headers. A header that is not listed gets a page of its own.
PAGES = (
    ("random_access_file_aio", "Random-access files",
     "random_access_file_aio basic_random_access_file_aio random_access_device"),
    ("stream_file_aio", "Stream files", "stream_file_aio basic_stream_file_aio stream_device"),
    ("file_members", "Members of all files",
     "basic_file_aio basic_sync_file_aio file_base call_modes"),
    ("transfer_options", "Options of one read or write", "transfer_options"),
    ("path_calls", "Calls on paths", "path_calls file_status path_ref"),
    ("replace_file", "Replacing a file", "replace_file"),
    ("configure", "Options and state of a context", "configure options"),
    ("backend", "Engines", "backend"),
    ("statistics", "Counters", "statistics"),
    ("buffers", "Buffers", "buffer_registration aligned_buffer direct_alignment"),
    ("error", "Errors", "error"),
    ("version", "Version", "version"),
)
ALL_HEADERS = "asio_aio"  # includes the others and declares nothing


def heading(text, line):
    return f"{text}\n{line * len(text)}\n\n"


def plain(element):
    """Returns the text of a description as reStructuredText."""
    if element is None:
        return ""
    parts = [element.text or ""]
    for child in element:
        text = plain(child)
        parts.append(f"``{text}``" if child.tag == "computeroutput" else text)
        parts.append(child.tail or "")
    return "".join(parts).strip() if element.tag == "briefdescription" else "".join(parts)


class Declaration:
    """A class, a member, a function, a type or an enumerator."""

    def __init__(self, element, scope, page):
        self.id = element.get("id")
        self.kind = element.get("kind", "enumvalue")
        self.name = element.findtext("name") or element.findtext("compoundname")
        self.scope = scope  # the name of the class or of the enumeration; empty for none
        self.page = page
        self.brief = plain(element.find("briefdescription"))


class Reference:
    def __init__(self, xml, headers):
        self.xml = xml
        self.pages = [(page, title, names.split()) for page, title, names in PAGES]
        listed = {name for _, _, names in self.pages for name in names}
        self.pages += [(name, f"{name}.hpp", [name]) for name in headers
                       if name not in listed and name != ALL_HEADERS]
        self.declarations = []
        self.bases = {}  # of each class, by its name
        for page, _, names in self.pages:
            for name in names:
                self._read(f"group__{name.replace('_', '__')}", "", page)

    def _read(self, compound, scope, page):
        root = ElementTree.parse(self.xml / f"{compound}.xml").getroot()[0]
        if root.get("kind") in ("class", "struct"):
            found = Declaration(root, scope, page)
            self.declarations.append(found)
            scope = found.name
            self.bases[scope] = [base.text.partition("<")[0].strip()
                                 for base in root.findall("basecompoundref")]
        for member in root.iterfind(".//memberdef[@prot='public']"):
            self.declarations.append(Declaration(member, scope, page))
            self.declarations += [Declaration(value, member.findtext("name"), page)
                                  for value in member.findall("enumvalue")]
        for inner in root.findall("innerclass"):
            if not scope:  # a class in a class is not worth a name
                self._read(inner.get("refid"), scope, page)

    def page_of(self, header):
        """Returns the page that shows a header."""
        return next((page for page, _, names in self.pages if header in names), "index")

    def names(self):
        """Returns [page, id] by the names that the pages use for declarations."""
        by_name = {}
        for one in self.declarations:
            target = [f"reference/{one.page}", one.id]
            for name in self._spellings(one):
                by_name.setdefault(name, target)
        return by_name

    def _spellings(self, one):
        if not one.scope:
            return (one.name,)
        qualified = (f"{one.scope}::{one.name}",)
        if one.kind == "enumvalue" or "operator" in one.name:
            return qualified
        derived = tuple(f"{name}::{one.name}" for name in self.bases
                        if one.scope in self._ancestors(name))
        # Short names of members have other meanings, too.
        return qualified + derived + ((one.name,) if "_" in one.name else ())

    def _ancestors(self, name):
        nearest = self.bases.get(name, [])[::-1]  # reads and writes come first
        return nearest + [far for near in nearest for far in self._ancestors(near)]

    def write(self, folder):
        folder.mkdir(parents=True)
        index = [heading("Reference", "="),
                 "``#include <asio_aio/asio_aio.hpp>`` includes every header. Names are in the "
                 "namespace ``asio_aio``.\n\n",
                 ".. list-table::\n   :header-rows: 1\n\n   * - page\n     - names\n"]
        for page, title, headers in self.pages:
            index.append(f"   * - :doc:`{title} <{page}>`\n     - {self._contents(page)}\n")
            (folder / f"{page}.rst").write_text(self._page(page, title, headers))
        index.append("\n.. toctree::\n   :hidden:\n\n")
        index += [f"   {page}\n" for page, _, _ in self.pages]
        (folder / "index.rst").write_text("".join(index))

    def _contents(self, page):
        names = {one.name: one.id for one in reversed(self.declarations)
                 if one.page == page and not one.scope}
        return ", ".join(f":ref:`{name} <{names[name]}>`" for name in reversed(names))

    def _page(self, page, title, headers):
        text = [heading(title, "="), ".. cpp:namespace:: asio_aio\n\n"]
        for header in headers:
            if len(headers) > 1:
                text.append(heading(f"{header}.hpp", "-"))
            text.append(f"``#include <asio_aio/{header}.hpp>``\n\n")
            text += [self._members(name) for name in self._classes(header) if self.bases[name]]
            if self._is_described(header):
                text.append(".. container:: group-description\n\n"
                            f"   .. doxygengroup:: {header}\n      :desc-only:\n\n")
            text.append(f".. doxygengroup:: {header}\n   :content-only:\n   :members:\n"
                        "   :undoc-members:\n\n")
        return "".join(text)

    def _group(self, header):
        return ElementTree.parse(self.xml / f"group__{header.replace('_', '__')}.xml").getroot()[0]

    def _is_described(self, header):
        return len(self._group(header).find("detaileddescription")) != 0

    def _classes(self, header):
        return [inner.text for inner in self._group(header).iter("innerclass")]

    def _members(self, name):
        """Returns a table of the members of a class, with those of its bases."""
        rows = {}
        for scope in [name] + self._ancestors(name):
            for one in self.declarations:
                if one.scope == scope and one.kind == "function" and one.brief:
                    rows.setdefault(one.name, one)
            rows.pop(scope, None)  # its constructors
        rows.pop("operator=", None)
        if not rows:
            return ""
        text = [f".. list-table:: All members of ``{name}``\n   :class: members\n"
                "   :widths: 30 70\n\n"]
        for name, one in rows.items():
            text.append(f"   * - :ref:`{name} <{one.id}>`\n     - {' '.join(one.brief.split())}\n")
        return "".join(text) + "\n"
