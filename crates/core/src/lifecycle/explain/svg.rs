//! The drawing.

use std::fmt::Write;

use super::{
    ExplainedNode, Explanation,
    html::escaped,
    layout::{HEIGHT, Layout, Place},
    text::{class, lines_of},
};

pub(super) fn drawing(explanation: &Explanation) -> String {
    let layout = Layout::of(explanation);
    let (width, height) = (layout.width, layout.height);
    let mut svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" ");
    let _ = writeln!(svg, "width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"the graph\">");
    svg += "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">";
    svg += "<path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n";
    for (edge, bends) in explanation.edges.iter().zip(&layout.bends) {
        svg += &line(edge.kind, layout.boxes[edge.from], bends, layout.boxes[edge.to]);
    }
    for node in &explanation.nodes {
        svg += &shape(node, layout.boxes[node.id]);
    }
    svg + "</svg>\n"
}

/// A line from the left side of a box, through the columns between, to the right side of another.
fn line(kind: &str, from: Place, bends: &[Place], to: Place) -> String {
    let mut path = format!("M{:.1} {:.1}", from.x, from.y + HEIGHT / 2.0);
    let mut at = (from.x, from.y + HEIGHT / 2.0);
    for bend in bends {
        path += &curve(at, (bend.x + bend.width, bend.y));
        let _ = write!(path, "L{:.1} {:.1}", bend.x, bend.y);
        at = (bend.x, bend.y);
    }
    path += &curve(at, (to.x + to.width, to.y + HEIGHT / 2.0));
    format!("<path class=\"edge {kind}\" marker-end=\"url(#arrow)\" d=\"{path}\"/>\n")
}

fn curve((x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    let bend = ((x1 - x2).abs() / 2.0).max(24.0);
    format!("C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 - bend, x2 + bend)
}

fn shape(node: &ExplainedNode, place: Place) -> String {
    let mut out = format!("<g class=\"node {}\" id=\"n{}\">", class(node.tone()), node.id);
    let _ = write!(out, "<title>{}</title>", escaped(&format!("{} {}", node.source, node.detail)));
    let _ =
        write!(out, "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" rx=\"8\"/>", place.x, place.y, place.width);
    for (row, text) in lines_of(node).iter().enumerate() {
        let y = place.y + 19.0 + row as f64 * 16.0;
        let _ = write!(out, "<text x=\"{:.1}\" y=\"{y:.1}\" class=\"line{row}\">{}</text>", place.x + 10.0, escaped(text));
    }
    out + "</g>\n"
}
