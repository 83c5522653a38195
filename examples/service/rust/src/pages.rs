//! The service's one HTML page.

use crate::links::{Link, Page};

/// Renders some links as a table, with the way to the next ones.
#[must_use]
pub fn front_page(page: &Page) -> String {
    let content = if page.links.is_empty() { "<p>There are no links here.</p>".into() } else { table(page) };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Links</title>\n<h1>Links</h1>\n{content}\n</html>\n"
    )
}

fn table(page: &Page) -> String {
    let rows: Vec<_> = page.links.iter().map(row).collect();
    let table = format!("<table>\n<tr><th>Link<th>Leads to<th>Clicks\n{}\n</table>", rows.join("\n"));
    match &page.next {
        Some(next) => format!("{table}\n<p><a href=\"/?after={}\">More</a></p>", escaped(next)),
        None => table,
    }
}

fn row(link: &Link) -> String {
    let (code, url) = (escaped(&link.code), escaped(&link.url));
    format!("<tr><td><a href=\"/{code}\">{code}</a><td>{url}<td>{}", link.clicks)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#x27;")
}
