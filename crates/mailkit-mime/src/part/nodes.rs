//! A row of nodes, of which most have one.

use super::Node;

/// The nodes of a part. One alone, as nearly each part and many a message has, takes no memory of its own.
#[derive(Debug, Clone)]
pub(crate) enum Nodes {
    One([Node; 1]),
    Many(Vec<Node>),
}

impl Nodes {
    pub(crate) fn as_slice(&self) -> &[Node] {
        match self {
            Self::One(node) => node,
            Self::Many(nodes) => nodes,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Node] {
        match self {
            Self::One(node) => node,
            Self::Many(nodes) => nodes,
        }
    }

    pub(super) fn append_to(self, row: &mut Vec<Node>) {
        match self {
            Self::One([node]) => row.push(node),
            Self::Many(nodes) => row.extend(nodes),
        }
    }
}

impl From<Node> for Nodes {
    fn from(node: Node) -> Self {
        Self::One([node])
    }
}

impl From<Vec<Node>> for Nodes {
    fn from(nodes: Vec<Node>) -> Self {
        Self::Many(nodes)
    }
}
