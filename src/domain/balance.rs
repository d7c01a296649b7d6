//! Which of several targets gets the next request. Randomness and turns come in as arguments.
//!
//! Owns: sets of targets by their place in a group, the less loaded of two, turns by weight.
//! Leaves: which targets may be chosen at all to `health` and the group.

/// The most targets that one service may have: a set of them is one word.
pub const TARGETS_MAX: usize = 64;

/// Configured weights times this are the weights compared here, so that a warming target can have a part of one.
pub const WEIGHT_UNIT: u32 = 100;

/// Some targets of one group, by their place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places(u64);

impl Places {
    /// No target.
    pub const NONE: Self = Self(0);

    /// The set with `place` in it; places past the last possible one are left out.
    #[must_use]
    pub const fn with(self, place: usize) -> Self {
        if place < TARGETS_MAX { Self(self.0 | 1 << place) } else { self }
    }

    /// Whether `place` is in it.
    #[must_use]
    pub const fn has(self, place: usize) -> bool {
        place < TARGETS_MAX && self.0 & (1 << place) != 0
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each place, from the lowest.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let place = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (place < TARGETS_MAX).then_some(place)
        })
    }
}

/// A target as the choice by load sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests that use it now.
    pub outstanding: usize,
    /// How much of the traffic it should get, against the others.
    pub weight: u32,
}

impl Load {
    /// Whether it is better off with one more request than `other` would be.
    const fn below(self, other: Self) -> bool {
        (self.outstanding as u128 + 1) * (other.weight as u128) < (other.outstanding as u128 + 1) * self.weight as u128
    }
}

/// Two places of `set` are drawn by weight, and the one with fewer requests for its weight is chosen; `None` for an
/// empty set. Of equals the first one drawn.
///
/// Two are enough: the longest queue then grows with the logarithm of the logarithm of their number, and no target that
/// just became free draws everybody.
///
/// Source: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing".
#[must_use]
pub fn least_of_two(set: Places, load: impl Fn(usize) -> Load, random: u64) -> Option<usize> {
    let first = drawn(set, &load, random >> 32)?;
    let Some(second) = drawn(Places(set.0 & !(1 << first)), &load, random & u64::from(u32::MAX)) else {
        return Some(first);
    };
    Some(if load(second).below(load(first)) { second } else { first })
}

/// A place of `set`, each with the probability of its weight; `random` has 32 bits.
fn drawn(set: Places, load: &impl Fn(usize) -> Load, random: u64) -> Option<usize> {
    let weight = |place| u64::from(load(place).weight.max(1));
    let all = set.iter().map(weight).sum::<u64>();
    let mut at = all.wrapping_mul(random) >> 32;
    set.iter().find(|place| {
        let found = at < weight(*place);
        at = at.saturating_sub(weight(*place));
        found
    })
}

/// A target as the choice by turns sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When its next turn is, on a clock that runs with the requests.
    pub at: u64,
    /// How much of the traffic it should get, against the others.
    pub weight: u32,
}

/// One turn taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whose turn it is.
    pub place: usize,
    /// The clock now.
    pub clock: u64,
    /// When its next turn is.
    pub next: u64,
}

/// How far the clock moves between two turns of a target of weight 1. Divides well by every weight up to 100,000.
const STRIDE: u64 = 1 << 40;

/// The place of `set` whose turn is first, of equals the lowest; `None` for an empty set. A target that was away begins
/// at the clock, so that it owes no turns.
///
/// Turns come as far apart as the weights say, and evenly spread.
///
/// Source: C. Waldspurger, "Stride Scheduling".
#[must_use]
pub fn in_turn(set: Places, turn: impl Fn(usize) -> Turn, clock: u64) -> Option<Taken> {
    let due = |place: usize| turn(place).at.max(clock);
    let place = set.iter().min_by_key(|place| due(*place))?;
    let now = due(place);
    Some(Taken { place, clock: now, next: now.saturating_add(STRIDE / u64::from(turn(place).weight.max(1))) })
}

#[cfg(test)]
mod tests;
