# SPDX-License-Identifier: BSL-1.0
"""Copies the pages of the repository for sphinx, with links that fit the site."""
import os
import re
import shutil
from pathlib import Path

GROUPS = (  # of the navigation, by the names of the pages; every other page is a guide
    ("Start", "start packages"),
    ("Guides", "using-files serving-files tokens engines containers direct-io durability writes "
               "transfer-options stream-files testing statistics troubleshooting limits "
               "static-binaries"),
    ("Migration", ""),
    ("Reference", "reference/index"),
    ("Project", "design support bench changelog contributing licence"),
)
FIXED = {"README.md": "index", "bench/README.md": "bench", "CHANGELOG.md": "changelog",
         "CONTRIBUTING.md": "contributing", "LICENSE": "licence"}
CODE = re.compile(r"(^ *```.*?^ *```$)", re.M | re.S)
LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<path>[^()\s#]+)(?P<anchor>#[^()\s]*)?\)")
LANGUAGES = {".txt": "cmake", ".cpp": "cpp", ".hpp": "cpp"}


def title_of(path):
    return next(line[2:] for line in path.read_text().splitlines() if line.startswith("# "))


class Site:
    def __init__(self, repository, folder, reference):
        self.repository, self.folder, self.reference = repository, folder, reference
        self.pages = {repository / name: page for name, page in FIXED.items()}
        for path in (repository / "doc").glob("*.md"):
            self.pages[path] = path.stem
        examples = repository / "example"
        self.examples = sorted(path for path in examples.iterdir()
                               if path.is_dir() or path.suffix == ".cpp")
        self.pages[examples] = "example/index"
        for program in self.examples:
            self.pages[program] = f"example/{program.stem}"

    def write(self):
        for path, page in self.pages.items():
            if path.suffix == ".md":
                self._put(page, self._adapted(path))
        licence = (self.repository / "LICENSE").read_text()
        self._put("licence", f"# Licence\n\n```text\n{licence}```\n")
        for program in self.examples:
            self._put(self.pages[program], self._example(program))
        self._put("example/index", self._list_of_examples())
        with (self.folder / "index.md").open("a") as first:
            first.write(self._navigation())

    def _put(self, page, text):
        path = self.folder / f"{page}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _adapted(self, path):
        """Returns the text of a page with other links."""
        parts = CODE.split(path.read_text())  # text and code by turns
        parts[::2] = [LINK.sub(lambda link: self._link(path, link), part) for part in parts[::2]]
        return "".join(parts)

    def _link(self, path, link):
        target = Path(os.path.normpath(path.parent / link["path"]))
        if "://" in link["path"] or not target.exists():
            return link[0]
        if link["image"]:
            name = f"image/{target.name}"
            (self.folder / "image").mkdir(exist_ok=True)
            shutil.copy(target, self.folder / name)
            return f"![{link['text']}]({name})"
        page = self._page_of(target)
        text, name = link["text"], str(target.relative_to(self.repository))
        if page:
            if text == name and target.suffix == ".md":
                text = title_of(target)
            return f"[{text}]({page}{link['anchor'] or ''})"
        return text if "`" in text else f"`{name}`" if text == name else f"{text} (`{name}`)"

    def _page_of(self, target):
        """Returns the file of the page that shows a file or folder of the repository, or None."""
        headers = self.repository / "include/asio_aio"
        if target in (headers, headers.parent):
            return "reference/index.rst"
        if target.parent == headers:
            return f"reference/{self.reference.page_of(target.stem)}.rst"
        for shown in (target, target.parent):
            if shown in self.pages and not (shown == target.parent and target.suffix == ".md"):
                return f"{self.pages[shown]}.md"
        return None

    def _example(self, program):
        sources = [program]
        if program.is_dir():
            sources = sorted(program.iterdir(), key=lambda path: (path.stem != "main", path.name))
        text = [f"# {program.name}\n\n{self._purpose(sources[0])}\n\n"]
        for source in sources:
            name = source.relative_to(self.repository)
            text.append(f"## {source.name}\n\n" if program.is_dir() else f"`{name}`\n\n")
            language = LANGUAGES.get(source.suffix, "text")
            text.append(f"````{language}\n{source.read_text()}````\n\n")
        return "".join(text)

    @staticmethod
    def _purpose(source):
        """Returns the comment at the start of a program."""
        lines = []
        for line in source.read_text().splitlines()[1:]:
            if lines and not line.startswith("//"):
                break
            if line.startswith("//"):
                lines.append(line.removeprefix("//").strip())
        return "\n".join(lines)

    def _list_of_examples(self):
        rows = []
        for program in self.examples:
            purpose = self._purpose(program / "main.cpp" if program.is_dir() else program)
            rows.append(f"| [{program.name}]({program.stem}.md) | {' '.join(purpose.split())} |\n")
        pages = "\n".join(program.stem for program in self.examples)
        cmake = (self.repository / "example/CMakeLists.txt").read_text()
        return ("# Examples\n\n| program | what it does |\n|---|---|\n" + "".join(rows) +
                "\n## Build\n\nInstall [the library](../index.md#use-from-cmake). Then run this "
                "command in the top folder of the repository:\n\n```sh\ncmake -G Ninja -S example "
                "-B build/example && cmake --build build/example\n```\n\n"
                f"`example/CMakeLists.txt`:\n\n```cmake\n{cmake}```\n\n"
                f"```{{toctree}}\n:hidden:\n\n{pages}\n```\n")

    def _navigation(self):
        pages = {path.stem for path in (self.repository / "doc").glob("*.md")} | set(FIXED.values())
        pages |= {"reference/index", "example/index"}
        text = []
        for title, wanted in self._groups(pages - {"index"}):
            if title == "Start":
                wanted = ["Overview <self>"] + wanted
            entries = "\n".join(wanted)
            text.append(f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{entries}\n```\n")
        return "".join(text)

    @staticmethod
    def _groups(pages):
        listed = {name for _, names in GROUPS for name in names.split()}
        others = sorted(pages - listed)
        for title, names in GROUPS:
            wanted = [name for name in names.split() if name in pages]
            if title == "Migration":
                wanted += [name for name in others if name.startswith("migrating-")]
            elif title == "Guides":
                wanted += [name for name in others
                           if not name.startswith("migrating-") and name != "example/index"]
                wanted.append("example/index")
            if wanted or title == "Start":
                yield title, wanted
