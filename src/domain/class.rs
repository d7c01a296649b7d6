//! Class: whose turn comes first where requests wait for a target.

/// How soon a waiting request is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person waits for it.
    Interactive,
    /// A program waits for it, or reports to it.
    Routine,
    /// Large or long, and in no hurry.
    Bulk,
}

impl Class {
    /// Every class, the first to be served first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Routine, Self::Bulk];
}
