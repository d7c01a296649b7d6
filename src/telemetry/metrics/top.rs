//! Top: the names that appear most often in a stream, in bounded memory.
//!
//! Limits: `PLACES` names of `NAME_BYTES_MAX` bytes. The count of a name says how far it may be from the truth;
//! one that is rare may be missing.
//!
//! Source: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams", 2005
//! (space-saving): each name with more than 1/`PLACES` of all requests is there.

use super::super::recent::shown;
use std::collections::BTreeMap;

/// Names kept. An installation with more busy workers than this sees the busiest.
pub(super) const PLACES: usize = 128;

/// What is kept of a name; ClearML's own are host names with a number behind.
const NAME_BYTES_MAX: usize = 64;

/// What one request adds to its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) failed: bool,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// One name with its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heavy {
    /// As its requests wrote it; what is no UTF-8 or cannot be printed is replaced.
    pub name: String,
    /// Requests, at most this many.
    pub requests: u64,
    /// How many of them may have been another's, that had its place before.
    pub over: u64,
    /// Requests that failed, since the name has its place.
    pub failed: u64,
    /// Body bytes sent, since the name has its place.
    pub bytes_in: u64,
    /// Body bytes received, since the name has its place.
    pub bytes_out: u64,
}

/// The busiest names of one worker thread.
#[derive(Debug, Default)]
pub(super) struct Top {
    /// The most requests first, so that busy names are found early and the least is at hand.
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    hash: u64,
    name: Vec<u8>,
    requests: u64,
    over: u64,
    failed: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Top {
    /// Counts one request of `name`. Allocates only for a name that is longer than any in its place before.
    pub(super) fn add(&mut self, name: &[u8], weight: Weight) {
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        let hash = hash(name);
        let found = self.places.iter().position(|place| place.hash == hash && place.name == name);
        let at = found.unwrap_or_else(|| self.make_place(hash, name));
        let Some(place) = self.places.get_mut(at) else { return };
        let before = place.requests;
        place.requests += 1;
        place.failed += u64::from(weight.failed);
        place.bytes_in = place.bytes_in.wrapping_add(weight.bytes_in);
        place.bytes_out = place.bytes_out.wrapping_add(weight.bytes_out);
        // In front of those that had as many.
        let equals = self.places.iter().take(at).rev().take_while(|place| place.requests == before).count();
        self.places.swap(at, at - equals);
    }

    /// A place for a new name: a free one, or that of the name with the fewest requests.
    fn make_place(&mut self, hash: u64, name: &[u8]) -> usize {
        if self.places.len() < PLACES {
            self.places.push(Place { hash, name: name.to_vec(), ..Place::default() });
        } else if let Some(last) = self.places.last_mut() {
            let mut kept = std::mem::take(&mut last.name);
            kept.clear();
            kept.extend_from_slice(name);
            *last = Place { hash, name: kept, requests: last.requests, over: last.requests, ..Place::default() };
        }
        self.places.len() - 1
    }

    /// The names with their counts.
    pub(super) fn heavies(&self) -> Vec<Heavy> {
        let heavy = |place: &Place| Heavy {
            name: shown(&place.name),
            requests: place.requests,
            over: place.over,
            failed: place.failed,
            bytes_in: place.bytes_in,
            bytes_out: place.bytes_out,
        };
        self.places.iter().map(heavy).collect()
    }
}

/// The busiest names of all worker threads, the busiest first. A thread that has no place for a name adds nothing.
pub(super) fn merged(threads: impl Iterator<Item = Vec<Heavy>>) -> Vec<Heavy> {
    let mut sums: BTreeMap<String, Heavy> = BTreeMap::new();
    for heavy in threads.flatten() {
        let sum = sums.entry(heavy.name.clone()).or_default();
        *sum = Heavy {
            name: heavy.name,
            requests: sum.requests + heavy.requests,
            over: sum.over + heavy.over,
            failed: sum.failed + heavy.failed,
            bytes_in: sum.bytes_in.wrapping_add(heavy.bytes_in),
            bytes_out: sum.bytes_out.wrapping_add(heavy.bytes_out),
        };
    }
    let mut all = sums.into_values().collect::<Vec<_>>();
    all.sort_by(|left, right| right.requests.cmp(&left.requests).then_with(|| left.name.cmp(&right.name)));
    all.truncate(PLACES);
    all
}

/// FNV-1a: names are short, and a collision costs only a comparison.
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn top_of(names: &[u16]) -> Top {
        let mut top = Top::default();
        for name in names {
            top.add(format!("w{name}").as_bytes(), Weight { failed: name % 2 == 0, bytes_in: 1, bytes_out: 2 });
        }
        top
    }

    proptest! {
        #[test]
        fn counts_are_bounded_by_the_truth(
            names in prop::collection::vec(prop_oneof![3 => 0_u16..8, 2 => 0_u16..200, 1 => any::<u16>()], 0..2_000)
        ) {
            let mut truth: BTreeMap<String, u64> = BTreeMap::new();
            names.iter().for_each(|name| *truth.entry(format!("w{name}")).or_default() += 1);
            let top = top_of(&names);
            let heavies = top.heavies();
            prop_assert!(heavies.len() <= PLACES);
            prop_assert!(heavies.is_sorted_by(|left, right| left.requests >= right.requests));
            prop_assert_eq!(heavies.iter().map(|heavy| heavy.requests).sum::<u64>(), names.len() as u64);
            for heavy in &heavies {
                let exact = truth.get(&heavy.name).copied().unwrap_or_default();
                prop_assert!(heavy.requests - heavy.over <= exact && exact <= heavy.requests, "{:?} {}", heavy, exact);
                prop_assert!(heavy.failed <= exact && heavy.bytes_in <= exact && heavy.bytes_out <= 2 * exact);
            }
            for (name, exact) in truth {
                let often = exact > names.len() as u64 / PLACES as u64;
                prop_assert!(!often || heavies.iter().any(|heavy| heavy.name == name), "{} of {}", name, exact);
            }
        }

        #[test]
        fn few_names_are_exact_over_all_threads(names in prop::collection::vec((0_usize..4, 0_u16..100), 0..1_000)) {
            let parts = (0..4).map(|part| {
                top_of(&names.iter().filter(|(at, _)| *at == part).map(|(_, name)| *name).collect::<Vec<_>>()).heavies()
            });
            let heavies = merged(parts);
            prop_assert!(heavies.iter().all(|heavy| heavy.over == 0));
            for heavy in &heavies {
                let exact = names.iter().filter(|(_, name)| format!("w{name}") == heavy.name).count() as u64;
                let even = heavy.name.ends_with(['0', '2', '4', '6', '8']);
                let expected = (exact, if even { exact } else { 0 }, exact, 2 * exact);
                prop_assert_eq!((heavy.requests, heavy.failed, heavy.bytes_in, heavy.bytes_out), expected);
            }
            prop_assert_eq!(heavies.iter().map(|heavy| heavy.requests).sum::<u64>(), names.len() as u64);
        }
    }

    #[test]
    fn names_are_cut_and_any_bytes_are_names() {
        let mut top = Top::default();
        top.add(&[b'x'; 300], Weight::default());
        top.add(b"\xff\x1b[2J", Weight::default());
        let names = top.heavies().into_iter().map(|heavy| heavy.name).collect::<Vec<_>>();
        assert_eq!(names, ["x".repeat(NAME_BYTES_MAX), "\u{fffd}\u{fffd}[2J".to_owned()]);
    }
}
