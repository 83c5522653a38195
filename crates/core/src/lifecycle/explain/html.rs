//! The page: the drawing, and a table of the same nodes.

use super::{ExplainedNode, Explanation, svg, text::class};

const STYLE: &str = "
body{font:14px/1.5 system-ui,sans-serif;margin:24px;color:#111;background:#fff}
h1{font-size:18px}
figure{margin:0;overflow-x:auto}
.node rect{stroke:#475569}
.idle rect,td.idle{fill:#e5e7eb;background:#e5e7eb}
.good rect,td.good{fill:#bbf7d0;background:#bbf7d0}
.busy rect,td.busy{fill:#fde68a;background:#fde68a}
.bad rect,td.bad{fill:#fecaca;background:#fecaca}
text{font:12px ui-monospace,monospace;fill:#111}
.line0{font-weight:700}
.edge{fill:none;stroke:#64748b}
.lazy,.after{stroke-dasharray:4 3}
table{border-collapse:collapse;margin-top:24px}
td,th{border:1px solid #cbd5e1;padding:4px 8px;text-align:left}
";

pub(super) fn page(explanation: &Explanation) -> String {
    let rows: String = explanation.nodes.iter().map(row).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>hostloop: {stage}</title><style>{STYLE}</style></head>\n\
         <body>\n<h1>{count} nodes, {stage}</h1>\n<figure>\n{drawing}</figure>\n<table>\n<thead><tr><th>node</th><th>kind</th>\
         <th>provides</th><th>scope</th><th>module</th><th>level</th><th>state</th><th>took</th><th>written at</th><th></th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</body>\n</html>\n",
        stage = escaped(&explanation.stage),
        count = explanation.nodes.len(),
        drawing = svg::drawing(explanation),
    )
}

fn row(node: &ExplainedNode) -> String {
    let texts = [&node.label, node.kind.name(), &node.provides, &node.scope, &node.module, &node.level.to_string()];
    let cells: String = texts.iter().map(|text| format!("<td>{}</td>", escaped(text))).collect();
    format!(
        "<tr>{cells}<td class=\"{}\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        class(node.tone()),
        escaped(&node.state),
        node.duration(),
        escaped(&node.source),
        escaped(&node.detail)
    )
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
