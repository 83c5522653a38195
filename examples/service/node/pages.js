/** The service's one HTML page. */

/** Renders some links as a table, with the way to the next ones. */
export function frontPage({ links, next }) {
  if (links.length === 0) return page('<p>There are no links here.</p>')
  const more = next === null ? '' : `\n<p><a href="/?after=${escapeHtml(next)}">More</a></p>`
  return page(`<table>\n<tr><th>Link<th>Leads to<th>Clicks\n${links.map(row).join('\n')}\n</table>${more}`)
}

function page(content) {
  return `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Links</title>\n<h1>Links</h1>\n${content}\n</html>\n`
}

function row({ code, url, clicks }) {
  return `<tr><td><a href="/${escapeHtml(code)}">${escapeHtml(code)}</a><td>${escapeHtml(url)}<td>${clicks}`
}

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#x27;' }

function escapeHtml(text) {
  return text.replace(/[&<>"']/g, character => ESCAPES[character])
}
