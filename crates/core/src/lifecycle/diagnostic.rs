//! Mistakes in a graph: what is wrong, where it was written, and the fix.

use std::{error, fmt};

use super::graph::NodeId;

/// What kind of mistake it is. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// Nothing provides what a node needs.
    Missing,
    /// Nodes need each other in a circle.
    Cycle,
    /// A node holds a value that lives shorter.
    Leak,
    /// Several nodes provide what a node needs one of.
    Ambiguous,
    /// Something is provided twice, and nothing collects it.
    Duplicate,
    /// A node that cannot wait needs one that must.
    AsyncInSync,
    /// A scope has a name that was not declared.
    UnknownScope,
    /// An override replaces nothing.
    OverrideNothing,
    /// A decorator wraps nothing.
    DecorateNothing,
    /// What is to be made anew while the application runs cannot be.
    Pinned,
    /// A warning: nothing needs it, so it is never made.
    Unused,
    /// A warning: a collection has no members.
    EmptyCollection,
}

impl Code {
    /// Returns the code as it stands in texts and data.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Cycle => "cycle",
            Self::Leak => "leak",
            Self::Ambiguous => "ambiguous",
            Self::Duplicate => "duplicate",
            Self::AsyncInSync => "async-in-sync",
            Self::UnknownScope => "unknown-scope",
            Self::OverrideNothing => "override-nothing",
            Self::DecorateNothing => "decorate-nothing",
            Self::Pinned => "pinned",
            Self::Unused => "unused",
            Self::EmptyCollection => "empty-collection",
        }
    }

    /// Returns whether the graph can be used all the same.
    #[must_use]
    pub fn is_warning(self) -> bool {
        matches!(self, Self::Unused | Self::EmptyCollection)
    }
}

/// A node on a path, as its user knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub label: String,
    /// The place it was written, or empty.
    pub source: String,
}

impl Step {
    /// The name in quotes, with the place.
    pub(crate) fn quoted(&self) -> String {
        if self.source.is_empty() { format!("`{}`", self.label) } else { format!("`{}` ({})", self.label, self.source) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        if self.source.is_empty() { Ok(()) } else { write!(f, " ({})", self.source) }
    }
}

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind it is.
    pub code: Code,
    /// The node it is about.
    pub node: NodeId,
    /// What is wrong.
    pub message: String,
    /// How the mistake is reached, from the first node to the last. Of a cycle, both are the same.
    pub path: Vec<Step>,
    /// What to do, or empty.
    pub fix: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)?;
        if !self.path.is_empty() {
            let steps: Vec<_> = self.path.iter().map(Step::to_string).collect();
            write!(f, "\n  path: {}", steps.join(" -> "))?;
        }
        if !self.fix.is_empty() {
            write!(f, "\n  fix: {}", self.fix)?;
        }
        Ok(())
    }
}

/// Every mistake of a graph.
#[derive(Clone, PartialEq, Eq)]
pub struct WiringError {
    /// The mistakes, in the order of the nodes they are about.
    pub mistakes: Vec<Diagnostic>,
    /// What is odd besides.
    pub warnings: Vec<Diagnostic>,
}

impl fmt::Display for WiringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mistakes[..] {
            [one] => write!(f, "the wiring has a mistake\n\n{one}"),
            many => {
                write!(f, "the wiring has {} mistakes", many.len())?;
                many.iter().try_for_each(|mistake| write!(f, "\n\n{mistake}"))
            }
        }
    }
}

/// Reads like its display: this is how `main` prints an error in Rust.
impl fmt::Debug for WiringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for WiringError {}
