"""The service's one HTML page."""

from html import escape

from links import Link, Page

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Links</title>
<h1>Links</h1>
{content}
</html>
"""

TABLE = """<table>
<tr><th>Link<th>Leads to<th>Clicks
{rows}
</table>"""


def front_page(page: Page) -> str:
    """Renders some links as a table, with the way to the next ones."""
    if not page.links:
        return PAGE.format(content="<p>There are no links here.</p>")
    content = TABLE.format(rows="\n".join(map(_row, page.links)))
    if page.next is not None:
        content += f'\n<p><a href="/?after={escape(page.next)}">More</a></p>'
    return PAGE.format(content=content)


def _row(link: Link) -> str:
    code, url = escape(link.code), escape(link.url)
    return f'<tr><td><a href="/{code}">{code}</a><td>{url}<td>{link.clicks}'
