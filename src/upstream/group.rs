//! Group: the targets of one service; the one with the fewest requests is chosen.

use super::target::{Lease, Target};
use crate::domain::settings::ServiceSettings;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The targets of one service, in the order they were configured.
#[derive(Debug)]
pub struct Group {
    targets: Box<[Arc<Target>]>,
    /// Where the next search begins, so that equals take turns.
    turn: AtomicUsize,
}

impl Group {
    /// The group that `settings` describes.
    #[must_use]
    pub fn new(settings: &ServiceSettings) -> Self {
        Self { targets: settings.targets.iter().cloned().map(Target::new).collect(), turn: AtomicUsize::new(0) }
    }

    /// Leases the target with the fewest outstanding requests that is not in `tried`; equals take turns. When all were
    /// tried, all may be chosen again. `None` only for a group without targets.
    pub fn lease(&self, tried: &[u64]) -> Option<Lease> {
        if let [only] = &*self.targets {
            return Some(Lease::new(only));
        }
        let start = self.turn.fetch_add(1, Ordering::Relaxed) % self.targets.len().max(1);
        let (before, after) = self.targets.split_at_checked(start)?;
        let in_turn = || after.iter().chain(before);
        let fresh = in_turn().filter(|target| !tried.contains(&target.id())).min_by_key(|target| target.outstanding());
        fresh.or_else(|| in_turn().min_by_key(|target| target.outstanding())).map(Lease::new)
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::addr::TargetAddr;

    fn group(count: u16) -> Group {
        let targets = (1..=count).map(|port| TargetAddr::parse(&format!("127.0.0.1:{port}")).unwrap()).collect();
        Group::new(&ServiceSettings { targets, max_body: None })
    }

    #[test]
    fn the_least_busy_target_is_leased_and_given_back_on_drop() {
        let group = group(3);
        let leases = (0..6).map(|_| group.lease(&[]).unwrap()).collect::<Vec<_>>();
        assert!(group.targets().iter().all(|target| target.outstanding() == 2));
        let freed = Arc::clone(leases[4].target());
        drop(leases.into_iter().skip(4).take(1).collect::<Vec<_>>());
        assert_eq!(freed.outstanding(), 0);
    }

    #[test]
    fn a_tried_target_is_avoided_while_there_is_another() {
        let group = group(2);
        let first = group.targets()[0].id();
        for _ in 0..4 {
            assert_ne!(group.lease(&[first]).unwrap().target().id(), first);
        }
        let all = group.targets().iter().map(|target| target.id()).collect::<Vec<_>>();
        assert!(group.lease(&all).is_some());
    }
}
