# SPDX-License-Identifier: BSL-1.0
# Sphinx settings; tools/build_site sets version and the folders.
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.domains.cpp import CPPDomain

project = "asio_aio"
project_copyright = "the authors of asio_aio"
extensions = ["myst_parser", "breathe"]
html_theme = "furo"
html_title = "asio_aio"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))
html_show_sphinx = False
html_theme_options = {"top_of_page_button": None}
myst_heading_anchors = 4
breathe_default_project = "asio_aio"
breathe_show_include = False
primary_domain = "cpp"
highlight_language = "text"
pygments_style = "friendly"
pygments_dark_style = "monokai"

FILE = re.compile(r"(?:file|view)\.(\w+)")


def name_in(text):
    """Returns the name that a piece of code stands for, such as `describe` for `describe(ctx)`."""
    name = re.sub(r"\(.*\)$", "", text, flags=re.S)
    name = name.removeprefix("asio_aio::")
    found = FILE.fullmatch(name)
    return f"basic_random_access_file_aio::{found[1]}" if found else name


def is_parameter(literal):
    """True in the description of a function with a parameter of this name."""
    node = literal.parent
    while node and not isinstance(node, addnodes.desc):
        if "members" in node.get("classes", ()):
            return True  # in a table of functions; all code there is treated as parameters
        node = node.parent
    signature = node[0].astext() if node else ""
    return re.search(rf"[ &]{re.escape(literal.astext())}( =|,|\))", signature) is not None


def put_parameters_first(app, doctree):
    """Moves the parameters of a function before its errors; breathe puts them at the end."""
    for content in doctree.findall(addnodes.desc_content):
        fields = [node for node in content if isinstance(node, nodes.field_list)]
        headed = [node for node in content if isinstance(node, nodes.paragraph)
                  and isinstance(node.next_node(), nodes.definition_list)]
        if fields and headed:
            content.remove(fields[0])
            content.insert(content.index(headed[0]), fields[0])


def link_names(app, doctree, docname):
    """Links code in the text to the reference, if the code is a name of the library."""
    for literal in list(doctree.findall(nodes.literal)):
        target = app.config.names_of_the_library.get(name_in(literal.astext()))
        if not target or isinstance(literal.parent, (nodes.reference, nodes.title)):
            continue
        if is_parameter(literal):
            continue
        page, anchor = target
        uri = app.builder.get_relative_uri(docname, page) + "#" + anchor
        link = nodes.reference("", "", internal=True, refuri=uri)
        literal.replace_self(link)
        link += literal


class CppDomain(CPPDomain):
    """Keeps parameters out of the results of a search."""

    def get_objects(self):
        return (found for found in super().get_objects() if not found[2].endswith("Param"))


def setup(app):
    app.add_domain(CppDomain, override=True)
    app.add_config_value("names_file", "", "env")
    app.add_config_value("names_of_the_library", {}, "env")
    app.connect("config-inited", read_names)
    app.connect("doctree-read", put_parameters_first)
    app.connect("doctree-resolved", link_names)


def read_names(app, config):
    config.names_of_the_library = json.loads(Path(config.names_file).read_text())
