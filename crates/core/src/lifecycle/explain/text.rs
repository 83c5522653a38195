//! DOT and Mermaid.

use super::{ExplainedNode, Explanation, Tone};

pub(super) fn dot(explanation: &Explanation) -> String {
    let mut lines =
        vec!["digraph hostloop {".to_owned(), "  rankdir=RL;".into(), "  node [shape=box, style=\"rounded,filled\"];".into()];
    for node in &explanation.nodes {
        let label = lines_of(node).join("\n");
        lines.push(format!("  n{} [label={}, fillcolor=\"{}\"];", node.id, quoted(&label), colour(node.tone())));
    }
    for edge in &explanation.edges {
        let style = if edge.kind == "needs" { String::new() } else { format!(" [style=dashed, label=\"{}\"]", edge.kind) };
        lines.push(format!("  n{} -> n{}{style};", edge.from, edge.to));
    }
    lines.push("}\n".into());
    lines.join("\n")
}

pub(super) fn mermaid(explanation: &Explanation) -> String {
    let mut lines = vec!["flowchart RL".to_owned()];
    for node in &explanation.nodes {
        let text = lines_of(node).join("<br>").replace('"', "#quot;");
        lines.push(format!("  n{}[\"{text}\"]:::{}", node.id, class(node.tone())));
    }
    for edge in &explanation.edges {
        let arrow = if edge.kind == "needs" { "-->".to_owned() } else { format!("-.->|{}|", edge.kind) };
        lines.push(format!("  n{} {arrow} n{}", edge.from, edge.to));
    }
    for tone in [Tone::Idle, Tone::Good, Tone::Busy, Tone::Bad] {
        lines.push(format!("  classDef {} fill:{},color:#111", class(tone), colour(tone)));
    }
    lines.join("\n") + "\n"
}

/// What stands in a node's box.
pub(super) fn lines_of(node: &ExplainedNode) -> Vec<String> {
    let took = node.duration();
    let state = if took.is_empty() { node.state.clone() } else { format!("{} in {took}", node.state) };
    vec![node.label.clone(), format!("{} · {}", node.kind.name(), node.scope), state]
}

pub(super) fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Idle => "#e5e7eb",
        Tone::Good => "#bbf7d0",
        Tone::Busy => "#fde68a",
        Tone::Bad => "#fecaca",
    }
}

pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Idle => "idle",
        Tone::Good => "good",
        Tone::Busy => "busy",
        Tone::Bad => "bad",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
