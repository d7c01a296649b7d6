//! The names of one local authority: what it may issue for, and what its leaf covers.

use crate::domain::names::{HostName, ServiceName};
use std::path::{Path, PathBuf};

/// What one local authority is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNames {
    /// Its folder, and the end of its common name.
    pub(super) name: HostName,
    /// The subtrees that it may issue for.
    pub(super) permitted: Vec<HostName>,
    /// The names of its leaf.
    pub(super) leaf: Vec<HostName>,
}

impl LocalNames {
    /// The three services below `domain`, and the domain itself.
    #[must_use]
    pub fn below(domain: &HostName) -> Self {
        let services = ServiceName::ALL.into_iter().map(|service| domain.with_label(service));
        let leaf = services.chain([domain.clone()]).collect();
        Self { name: domain.clone(), permitted: vec![domain.clone()], leaf }
    }

    /// These hosts, called by the first of them; `None` where there is none.
    pub fn of(hosts: impl IntoIterator<Item = HostName>) -> Option<Self> {
        let mut leaf: Vec<HostName> = Vec::new();
        for host in hosts {
            if !leaf.contains(&host) {
                leaf.push(host);
            }
        }
        Some(Self { name: leaf.first()?.clone(), permitted: leaf.clone(), leaf })
    }

    /// Whether the leaf covers `host` (lower case).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.leaf.iter().any(|name| name.as_str() == host)
    }

    /// The authority's certificate below `folder`.
    #[must_use]
    pub fn certificate_file(&self, folder: &Path) -> PathBuf {
        self.folder(folder).join("ca.pem")
    }

    /// The authority's own folder below `folder`.
    #[must_use]
    pub fn folder(&self, folder: &Path) -> PathBuf {
        folder.join("local").join(self.name.as_str())
    }

    /// These names as an authority may have them that is limited to `permitted`, and those that it may not issue for.
    #[must_use]
    pub(super) fn split(self, permitted: Vec<HostName>) -> (Self, Option<Self>) {
        let may = |name: &HostName| permitted.iter().any(|parent| is_within(name, parent));
        let (inside, outside) = self.leaf.iter().cloned().partition::<Vec<_>, _>(may);
        if inside.is_empty() {
            return (self, None);
        }
        (Self { name: self.name, permitted, leaf: inside }, Self::of(outside))
    }

    /// The names that the leaf covers.
    #[must_use]
    pub fn hosts(&self) -> &[HostName] {
        &self.leaf
    }

    /// The subtrees that its authority may issue for.
    #[must_use]
    pub fn permitted(&self) -> &[HostName] {
        &self.permitted
    }

    /// Whether its authority may issue for `host` and for all that `host` may stand for.
    #[must_use]
    pub fn permits(&self, host: &HostName) -> bool {
        self.permitted.iter().any(|parent| is_within(host, parent))
    }

    /// As few authorities as do for `all`: one that may issue for all names of another takes them over.
    #[must_use]
    pub fn merged(all: Vec<Self>) -> Vec<Self> {
        let mut kept: Vec<Self> = Vec::new();
        for names in all {
            if let Some(wider) = kept.iter_mut().find(|wider| wider.may_issue_for(&names)) {
                wider.take_over(names);
                continue;
            }
            let mut names = names;
            kept = kept.into_iter().filter_map(|narrower| names.absorb(narrower)).collect();
            kept.push(names);
        }
        kept
    }

    /// `narrower`, unless its names were taken over.
    fn absorb(&mut self, narrower: Self) -> Option<Self> {
        if !self.may_issue_for(&narrower) {
            return Some(narrower);
        }
        self.take_over(narrower);
        None
    }

    fn may_issue_for(&self, other: &Self) -> bool {
        other.permitted.iter().all(|name| self.permitted.iter().any(|parent| is_within(name, parent)))
    }

    fn take_over(&mut self, other: Self) {
        for name in other.leaf {
            if !self.leaf.contains(&name) {
                self.leaf.push(name);
            }
        }
    }
}

fn is_within(name: &HostName, parent: &HostName) -> bool {
    name.as_str().strip_suffix(parent.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::host;

    fn of(names: &[&str]) -> LocalNames {
        LocalNames::of(names.iter().map(|name| host(name))).unwrap()
    }

    #[test]
    fn hosts_are_named_once() {
        let names = of(&["ml.corp", "ml-api.corp", "ml.corp"]);
        assert_eq!((names.name, names.leaf.len()), (host("ml.corp"), 2));
        assert_eq!(LocalNames::of([]), None);
    }

    #[test]
    fn names_below_another_authority_s_need_none_of_their_own() {
        let below = LocalNames::below(&host("clearml.localhost"));
        for all in [vec![below.clone(), of(&["localhost"])], vec![of(&["localhost"]), below.clone()]] {
            let merged = LocalNames::merged(all);
            assert_eq!(merged.len(), 1);
            assert_eq!((&merged[0].name, &merged[0].permitted), (&host("localhost"), &vec![host("localhost")]));
            assert_eq!(merged[0].leaf.len(), 5, "{:?}", merged[0].leaf);
        }
        assert_eq!(LocalNames::merged(vec![below.clone(), of(&["clearml.localhost"])]), std::slice::from_ref(&below));
        assert_eq!(LocalNames::merged(vec![below, of(&["xclearml.localhost"])]).len(), 2);
    }
}
