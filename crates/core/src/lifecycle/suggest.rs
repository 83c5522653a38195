//! "Did you mean": what is provided that comes close to what is not.

use super::{
    graph::{Graph, Key, NodeId, NodeKind},
    resolve::Providers,
};

/// Says what to do about a key that nothing provides for a node.
pub(crate) fn fix(graph: &Graph, providers: &Providers, key: Key, asker: NodeId) -> String {
    let label = graph.key_label(key);
    hidden(graph, providers, key, asker)
        .or_else(|| named_otherwise(graph, providers, key))
        .or_else(|| conforming(graph, providers, key))
        .or_else(|| similar(graph, providers, key, asker))
        .unwrap_or_else(|| format!("add provide(...) with a provider that returns `{label}`, or supply(...) with a value"))
}

fn written(graph: &Graph, node: NodeId) -> String {
    let node = graph.node(node);
    if node.source.is_empty() { format!("`{}`", node.label) } else { format!("`{}` ({})", node.label, node.source) }
}

fn hidden(graph: &Graph, providers: &Providers, key: Key, asker: NodeId) -> Option<String> {
    let &node = providers.all(key).iter().find(|&&node| node != asker)?;
    let module = &graph.modules[graph.node(node).module.0 as usize].name;
    Some(format!("{} provides it, but is private to module `{module}`; make it public, or ask from inside", written(graph, node)))
}

fn named_otherwise(graph: &Graph, providers: &Providers, key: Key) -> Option<String> {
    let info = &graph.keys[key.0 as usize];
    let base = info.base.unwrap_or(key);
    let variants = (0..graph.keys.len() as u32).map(Key).filter(|&other| {
        let of = &graph.keys[other.0 as usize];
        other != key && (other == base || of.base == Some(base)) && !providers.all(other).is_empty()
    });
    let labels: Vec<_> = variants.map(|other| format!("`{}`", graph.key_label(other))).collect();
    if labels.is_empty() {
        None
    } else {
        Some(format!("{} is provided; ask for that, or provide this one too", labels.join(" and ")))
    }
}

fn conforming(graph: &Graph, providers: &Providers, key: Key) -> Option<String> {
    let mut provided = (0..graph.keys.len() as u32).map(Key).filter(|&other| !providers.all(other).is_empty());
    let other = provided.find(|other| {
        graph.keys[other.0 as usize].conforms_to.contains(&key) || graph.keys[key.0 as usize].conforms_to.contains(other)
    })?;
    let provider = written(graph, providers.all(other)[0]);
    let (wanted, given) = (graph.key_label(key), graph.key_label(other));
    Some(if graph.keys[other.0 as usize].conforms_to.contains(&key) {
        format!("{provider} provides `{given}`, which is a `{wanted}`; provide it as `{wanted}` too")
    } else {
        format!("{provider} provides the more general `{given}`; ask for that, or provide `{wanted}`")
    })
}

fn similar(graph: &Graph, providers: &Providers, key: Key, asker: NodeId) -> Option<String> {
    let wanted = graph.key_label(key).to_lowercase();
    let most = (wanted.chars().count() / 3).max(1);
    let candidates = graph.nodes.iter().enumerate().filter_map(|(index, node)| {
        let id = NodeId::new(index);
        let provided = node.provides.filter(|_| id != asker && node.kind != NodeKind::Decorator && !providers.is_replaced(id))?;
        let label = graph.key_label(provided);
        let away = distance(&wanted, &label.to_lowercase());
        (away <= most).then_some((away, id, label))
    });
    let (_, node, label) = candidates.min_by_key(|&(away, id, _)| (away, id))?;
    Some(format!("did you mean `{label}`, which {} provides?", written(graph, node)))
}

/// How many letters must be put in, taken out or changed.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (place, letter) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (column, &other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
