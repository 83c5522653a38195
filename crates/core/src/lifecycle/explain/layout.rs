//! Where everything stands: a column for each level, what needs nothing on the left. A line that passes a column has a place of its own
//! in it, so that it crosses no box.

use std::collections::BTreeMap;

use super::{ExplainedNode, Explanation, text::lines_of};

pub(super) const HEIGHT: f64 = 58.0;
const GAP: f64 = 18.0;
const BEND: f64 = 14.0;
const BETWEEN_COLUMNS: f64 = 70.0;
const MARGIN: f64 = 16.0;
const LETTER: f64 = 7.4;

#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
}

pub(super) struct Layout {
    /// The boxes, by node.
    pub(super) boxes: Vec<Place>,
    /// The places at which each line passes a column, by edge, from who needs to what is needed.
    pub(super) bends: Vec<Vec<Place>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

#[derive(Clone, Copy)]
enum Entry {
    Node(usize),
    Bend(usize),
}

impl Layout {
    pub(super) fn of(explanation: &Explanation) -> Self {
        let mut layout = Self {
            boxes: vec![Place::default(); explanation.nodes.len()],
            bends: vec![Vec::new(); explanation.edges.len()],
            width: 0.0,
            height: 0.0,
        };
        let mut x = MARGIN;
        for (_, mut column) in columns(explanation) {
            column.sort_by(|&left, &right| {
                let wish = |entry| layout.wish(explanation, entry);
                wish(left).total_cmp(&wish(right))
            });
            x += layout.place(explanation, &column, x) + BETWEEN_COLUMNS;
        }
        layout.width = x - BETWEEN_COLUMNS + MARGIN;
        // They were placed from the left; lines are drawn from the right.
        layout.bends.iter_mut().for_each(|bends| bends.reverse());
        layout
    }

    /// Gives each entry of a column its place, and returns the column's width.
    fn place(&mut self, explanation: &Explanation, column: &[Entry], x: f64) -> f64 {
        let width_of = |entry: &Entry| match entry {
            Entry::Node(node) => width(&explanation.nodes[*node]),
            Entry::Bend(_) => 0.0,
        };
        let widest = column.iter().map(width_of).fold(0.0, f64::max);
        let mut y = MARGIN;
        for entry in column {
            match *entry {
                Entry::Node(node) => {
                    self.boxes[node] = Place { x, y, width: width_of(entry) };
                    y += HEIGHT + GAP;
                }
                Entry::Bend(edge) => {
                    self.bends[edge].push(Place { x, y: y + BEND / 2.0, width: widest });
                    y += BEND + GAP / 2.0;
                }
            }
        }
        self.height = self.height.max(y - GAP + MARGIN);
        widest
    }

    /// The height at which an entry would stand if it could choose: beside what it needs.
    fn wish(&self, explanation: &Explanation, entry: Entry) -> f64 {
        let middle_of = |edge: usize| match self.bends[edge].last() {
            Some(bend) => bend.y,
            None => self.boxes[explanation.edges[edge].to].y + HEIGHT / 2.0,
        };
        match entry {
            Entry::Bend(edge) => middle_of(edge),
            Entry::Node(node) => {
                let edges = (0..explanation.edges.len()).filter(|&edge| explanation.edges[edge].from == node);
                let wishes: Vec<f64> = edges.map(middle_of).collect();
                if wishes.is_empty() { node as f64 } else { wishes.iter().sum::<f64>() / wishes.len() as f64 }
            }
        }
    }
}

fn columns(explanation: &Explanation) -> BTreeMap<usize, Vec<Entry>> {
    let mut columns: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
    for node in &explanation.nodes {
        columns.entry(node.level).or_default().push(Entry::Node(node.id));
    }
    for (index, edge) in explanation.edges.iter().enumerate() {
        let (from, to) = (explanation.nodes[edge.from].level, explanation.nodes[edge.to].level);
        for level in to + 1..from {
            columns.entry(level).or_default().push(Entry::Bend(index));
        }
    }
    columns
}

fn width(node: &ExplainedNode) -> f64 {
    let longest = lines_of(node).iter().map(|line| line.chars().count()).max().unwrap_or(0);
    longest as f64 * LETTER + 20.0
}
