"""Turn the report's Markdown into HTML that holds no markup but the report's own.

The pages contain names and commands that come from files. Of HTML, only the few tags that the report itself writes are let
through; everything else is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePath
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from benchmark.report.markdown import heading_anchor
from benchmark.report.site.templates import TEMPLATES

ALLOWED = re.compile(r'(<br>|</?details>|</?summary>|</?sub>|</?sup>|<a id="[\w.:-]+">|</a>|<!--.*?-->)', re.DOTALL)
# What a page does not need of a figure, and an id or a reference to one.
_NOT_DRAWN = re.compile(r"<!--.*?-->\s*|<metadata>.*?</metadata>\s*", re.DOTALL)
_SVG_ID = re.compile(r"""(\bid="|href="#|url\(#)""")
TABLE = re.compile(r"<!-- table: ([\w-]+) -->")


@dataclass(frozen=True)
class Heading:
    """A heading of a page, with the id by which it is linked."""

    level: int
    text: str
    id: str


@dataclass(frozen=True)
class RenderedPage:
    """A page as HTML, its title and its headings; ``lead`` is what stands before the first section."""

    title: str
    lead: Markup
    body: Markup
    headings: tuple[Heading, ...]

    @property
    def sections(self) -> list[Heading]:
        """The headings of the sections."""
        return [heading for heading in self.headings if heading.level == 2]


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
        source, text = str(tokens[index].attrGet("src")), tokens[index].content
        name = PurePath(source).stem
        drawing = Markup(inline_figure(env["figures"][source], name))
        return TEMPLATES.get_template("figure.html").render(source=source, name=name, text=text, drawing=drawing)

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


def render_page(text: str, tables: Mapping[str, str], figures: Mapping[str, bytes]) -> RenderedPage:
    """Render a page; ``tables`` take the place of markers ``<!-- table: name -->``, ``figures`` that of images."""
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
    end = next((n for n, token in enumerate(tokens) if (token.type, token.tag) == ("heading_open", "h2")), len(tokens))
    env = {"tables": tables, "figures": figures, "heading": title}
    lead, body = (Markup(_MARKDOWN.renderer.render(part, _MARKDOWN.options, env)) for part in (tokens[:end], tokens[end:]))
    return RenderedPage(title, lead, body, tuple(headings))


def render_inline(text: str) -> Markup:
    """Render Markdown within a line, such as a column's header."""
    return Markup(_MARKDOWN.renderInline(text, {"tables": {}, "figures": {}, "heading": ""}))


def inline_figure(svg: bytes, name: str) -> str:
    """Return an SVG figure as an element of a page: without its prolog, comments and metadata, with ids of its own."""
    element = _NOT_DRAWN.sub("", svg.decode()[svg.decode().index("<svg") :])
    return _SVG_ID.sub(rf"\g<1>{name}.", element)
