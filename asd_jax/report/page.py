"""Building blocks of one HTML file that needs nothing beside itself; all text that comes in is escaped."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

PICTURE_DPI = 100
_MANY_COLUMNS = 11

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 2rem 0 .6rem; }
h2 { border-bottom: 2px solid #1f3b57; padding-bottom: .2rem; margin-top: 3rem; }
h4 { margin-top: 1.4rem; }
p, li { max-width: 60rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .92rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d5d9dd; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #1f3b57; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.mean > * { background: #eef2f6; font-weight: 600; }
.scroll { overflow-x: auto; }
table.wide { font-size: .8rem; }
table.wide th, table.wide td { padding: .25rem .38rem; }
figure { margin: 1rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption, .remark { color: #444; font-size: .92rem; }
audio { width: 24rem; max-width: 100%; display: block; margin: .3rem 0; }
pre { overflow-x: auto; background: #f4f6f8; padding: .8rem; font-size: .85rem; }
nav ol { columns: 2; max-width: 40rem; }
code { overflow-wrap: anywhere; }
@media print { nav, audio { display: none; } body { max-width: none; padding: 0; font-size: 11px; } }
"""


class Html(str):
    """Text that is HTML already, and so is not escaped again."""


def escaped(content: str) -> Html:
    """The text as HTML."""
    return content if isinstance(content, Html) else Html(html.escape(content))


def element(tag: str, content: str = "", /, **attributes: str) -> Html:
    """An element with escaped content and attributes; `class_` stands for `class`."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for name, value in attributes.items()
    )
    return Html(f"<{tag}{written}>{escaped(content)}</{tag}>")


def joined(parts: Iterable[str]) -> Html:
    """All parts one after the other, each on its line."""
    return Html("\n".join(escaped(part) for part in parts))


def paragraph(content: str) -> Html:
    return element("p", content)


def remark(content: str) -> Html:
    """What a reader should know before trusting the figures, or why there are none."""
    return element("p", content, class_="remark")


def heading(level: int, content: str, anchor: str = "") -> Html:
    return element(f"h{level}", content, **({"id": anchor} if anchor else {}))


def code(content: str) -> Html:
    return element("code", content)


def details(summary: str, content: str) -> Html:
    """What is unfolded only when asked for."""
    return element("details", joined([element("summary", summary), content]))


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    labels: int = 1,
    is_mean: Sequence[bool] = (),
) -> Html:
    """A table whose first columns are labels and whose others are numbers.

    Args:
        caption: above it.
        header: titles of the columns.
        rows: cells as text.
        labels: how many columns are labels.
        is_mean: which rows stand out; none by default.
    """
    head = joined(_cell("th", i, title, labels, scope="col") for i, title in enumerate(header))
    body = []
    for number, row in enumerate(rows):
        cells = joined(_cell("td", i, cell, labels) for i, cell in enumerate(row))
        stands_out = number < len(is_mean) and is_mean[number]
        body.append(element("tr", cells, **({"class_": "mean"} if stands_out else {})))
    parts = [
        element("caption", caption),
        element("thead", element("tr", head)),
        element("tbody", joined(body)),
    ]
    width = {"class_": "wide"} if len(header) > _MANY_COLUMNS else {}
    return element("div", element("table", joined(parts), **width), class_="scroll")


def _cell(tag: str, column: int, content: str, labels: int, **attributes: str) -> Html:
    kind = {} if column < labels else {"class_": "number"}
    return element(tag, content, **kind, **attributes)


def picture(figure: Figure, description: str, caption: str = "") -> Html:
    """A figure as a PNG within the file.

    Args:
        figure: drawn.
        description: what it shows, for those who do not see it.
        caption: below it.
    """
    content = io.BytesIO()
    figure.savefig(content, dpi=PICTURE_DPI, format="png")
    image = _void("img", src=_data_uri("image/png", content.getvalue()), alt=description)
    return element(
        "figure", joined([image, *([element("figcaption", caption)] if caption else [])])
    )


def player(recording: bytes, title: str) -> Html:
    """An audio player with a WAV file within the page."""
    source = _data_uri("audio/wav", recording)
    return element("audio", "", controls="", preload="none", src=source, aria_label=title)


def document(title: str, sections: Sequence[tuple[str, str, Html]]) -> Html:
    """The whole page.

    Args:
        title: of the page.
        sections: anchor, title and content each.
    """
    links = joined(
        element("li", element("a", name, href=f"#{anchor}")) for anchor, name, _ in sections
    )
    contents = element("nav", element("ol", links), aria_label="Contents")
    body = [heading(1, title), contents]
    for anchor, name, content in sections:
        body.append(element("section", joined([heading(2, name, anchor), content])))
    head = [
        _void("meta", charset="utf-8"),
        _void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        # An icon of its own, lest a browser asks for one.
        _void("link", rel="icon", href="data:,"),
        element("style", Html(_STYLE)),
    ]
    page = joined([element("head", joined(head)), element("body", element("main", joined(body)))])
    return Html(f"<!DOCTYPE html>\n{element('html', page, lang='en')}\n")


def _void(tag: str, /, **attributes: str) -> Html:
    """An element that has no content and no end."""
    return Html(element(tag, "", **attributes).removesuffix(f"</{tag}>"))


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
