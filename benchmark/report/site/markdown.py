"""Turn the report's Markdown into HTML that holds no markup but the report's own.

The pages contain names and commands that come from files. Of HTML, only the few tags that the report itself writes are let
through; everything else is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from benchmark.report.markdown import heading_anchor

ALLOWED = re.compile(r'(<br>|</?details>|</?summary>|</?sub>|</?sup>|<a id="[\w.:-]+">|</a>|<!--.*?-->)', re.DOTALL)
TABLE = re.compile(r"<!-- table: ([\w-]+) -->")


@dataclass(frozen=True)
class Heading:
    """A heading of a page, with the id by which it is linked."""

    level: int
    text: str
    id: str


@dataclass(frozen=True)
class RenderedPage:
    """A page as HTML, its title and its headings."""

    title: str
    body: Markup
    headings: tuple[Heading, ...]


class _Renderer(RendererHTML):
    """HTML with scrolling tables, figures that can be enlarged, links between pages, and no foreign markup."""

    def html_inline(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _filter_html(tokens[index].content)

    def html_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        content = tokens[index].content
        if marker := TABLE.fullmatch(content.strip()):
            return str(env["tables"][marker[1]])
        parts = ALLOWED.split(content)
        return "".join(_filter_html(p) if ALLOWED.fullmatch(p) else _MARKDOWN.renderInline(p.strip(), env) for p in parts)

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        label = escape(f"Table: {env['heading']}")
        return f'<div class="scroll" role="group" tabindex="0" aria-label="{label}"><table>'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return "</table></div>"

    def th_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return '<th scope="col">'

    def heading_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        env["heading"] = _plain_text(tokens[index + 1])
        return f'<{token.tag} id="{escape(str(token.attrGet("id")))}">'

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        source, text = escape(str(tokens[index].attrGet("src"))), escape(tokens[index].content)
        drawing = f'<object type="image/svg+xml" data="{source}" aria-label="{text}"><img src="{source}" alt="{text}"></object>'
        enlarge = f'<button type="button" class="enlarge" data-figure="{source}">Enlarge</button>'
        return f"<figure>{drawing}<figcaption>{text} {enlarge}</figcaption></figure>"

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return f'<a href="{escape(page_address(str(tokens[index].attrGet("href"))))}">'


def _filter_html(text: str) -> str:
    if text.startswith("<!--"):
        return ""
    return text if ALLOWED.fullmatch(text) else escape(text)


def page_address(link: str) -> str:
    """Return the address on the site of a link of the Markdown pages: ``models.md#a`` -> ``models.html#a``."""
    return re.sub(r"^([\w-]+)\.md(?=#|$)", lambda name: "index.html" if name[1] == "README" else f"{name[1]}.html", link)


def _plain_text(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


_MARKDOWN = MarkdownIt("commonmark", renderer_cls=_Renderer).enable("table")


def render_page(text: str, tables: Mapping[str, str]) -> RenderedPage:
    """Render a page; ``tables`` are put in place of the markers ``<!-- table: name -->``."""
    tokens = _MARKDOWN.parse(text)
    headings: list[Heading] = []
    seen: dict[str, int] = {}
    for token, inline, *_ in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.type == "heading_open":
            anchor = heading_anchor(_plain_text(inline))
            number = seen[anchor] = seen.get(anchor, -1) + 1  # as code hosts count headings that repeat
            headings.append(Heading(int(token.tag[1]), _plain_text(inline), f"{anchor}-{number}" if number else anchor))
            token.attrSet("id", headings[-1].id)
        elif token.type == "paragraph_open" and [child.type for child in inline.children or ()] == ["image"]:
            token.hidden = True  # a figure does not stand in a paragraph
    for before, inline, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        after.hidden |= before.hidden and inline.type == "inline" and after.type == "paragraph_close"
    title = headings[0].text if headings else ""
    body = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {"tables": tables, "heading": title})
    return RenderedPage(title, Markup(body), tuple(headings))


def render_inline(text: str) -> Markup:
    """Render Markdown within a line, such as a column's header."""
    return Markup(_MARKDOWN.renderInline(text, {"tables": {}, "heading": ""}))
