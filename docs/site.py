"""Hooks of mkdocs: files of the repository that pages link to become pages, and links lead to them.

So that documents read alike on a code host and in the site, they link to `../policies/base.py`.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(\.\./([^)\s#]+)(#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown", ".cff": "yaml"}


def on_startup(command: str, dirty: bool) -> None:
    """The package is read where it is: in a folder with a link of its name to the repository."""
    place = Path(tempfile.mkdtemp())
    (place / "edgesim").symlink_to(ROOT)
    sys.path.insert(0, str(place))


def on_files(files: Files, config: Any) -> Files:
    """A page for each file outside of docs/ that some page links to."""
    pages = [file for file in files.documentation_pages() if file.src_uri.count("/") == 0]
    linked = {found[1] for page in pages for found in LINK.finditer(page.content_string)}
    for name in sorted(linked):
        files.append(File.generated(config, page_of(name), content=shown(ROOT / name, name)))
    return files


def page_of(name: str) -> str:
    """The page that shows a file."""
    return f"source/{name.removesuffix('.md')}.md"


def shown(path: Path, name: str) -> str:
    """Markdown that shows a file; of the repository's own Markdown, its text."""
    text = path.read_text(encoding="utf-8")
    head = "---\nsearch:\n  exclude: true\n---\n\n"
    if path.suffix == ".md":
        # Its links are relative to the repository's root: those to documents are kept.
        text = re.sub(r"\]\(docs/", "](../", text)
        return head + re.sub(r"\[([^\]]*)\]\((?!\.\./|[a-z]+:|#)[^)]+\)", r"\1", text)
    fence = f"````{LANGUAGES.get(path.suffix, 'text')}\n{text}````\n"
    return f"{head}# {name}\n\n{fence}"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to the repository's files lead to their pages, and those to pages bear their titles."""
    if page.file.src_uri.startswith("source/"):
        return markdown
    titles = dict(titles_of(config.nav))
    named = re.compile(r"\[(\w+\.md)\]\(\1(?=[#)])")
    markdown = named.sub(lambda link: f"[{titles.get(link[1], link[1])}]({link[1]}", markdown)
    return LINK.sub(lambda found: f"]({page_of(found[1])}{found[2] or ''})", markdown)


def titles_of(nav: Any) -> Iterator[tuple[str, str]]:
    """Of the pages that have one in the navigation."""
    for entry in nav:
        for title, inside in entry.items() if isinstance(entry, dict) else ():
            if isinstance(inside, str):
                yield inside, title
            else:
                yield from titles_of(inside)
