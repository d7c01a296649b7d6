use super::*;

fn set(places: &[usize]) -> Places {
    places.iter().fold(Places::NONE, |set, place| set.with(*place))
}

/// A generator with a seed: SplitMix64.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[test]
fn places_are_a_set() {
    assert_eq!(set(&[5, 0, 63]).iter().collect::<Vec<_>>(), [0, 5, 63]);
    assert!(set(&[]).is_empty() && set(&[64, 1000]).is_empty());
    assert!(set(&[63]).has(63) && !set(&[63]).has(62) && !set(&[63]).has(64));
}

#[test]
fn of_two_the_one_with_fewer_requests_for_its_weight_is_chosen() {
    for (loads, expected) in [
        ([(0, 1), (0, 1)], None),
        ([(1, 1), (0, 1)], Some(1)),
        ([(3, 1), (9, 1)], Some(0)),
        // Five requests on a target three times as large are less than two on the other.
        ([(2, 1), (5, 3)], Some(1)),
        ([(0, 1), (5, 3)], Some(0)),
        // A warming target: a tenth of the weight.
        ([(0, 10), (8, 100)], Some(1)),
        ([(0, 10), (9, 100)], None),
        ([(usize::MAX, u32::MAX), (0, 1)], Some(1)),
    ] {
        let load = |place: usize| Load { outstanding: loads[place].0, weight: loads[place].1 };
        let mut next = random(1);
        for _ in 0..200 {
            let chosen = least_of_two(set(&[0, 1]), load, next()).unwrap();
            assert!(expected.is_none_or(|expected| chosen == expected), "{loads:?}");
        }
    }
}

#[test]
fn only_targets_of_the_set_are_chosen_and_an_empty_one_gives_none() {
    let load = |_| Load { outstanding: 0, weight: WEIGHT_UNIT };
    let turn = |_| Turn { at: 0, weight: WEIGHT_UNIT };
    let mut next = random(2);
    for places in [&[0_usize][..], &[63], &[1, 2], &[0, 7, 8, 63]] {
        let mut seen = Places::NONE;
        for _ in 0..500 {
            let chosen = least_of_two(set(places), load, next()).unwrap();
            assert!(set(places).has(chosen));
            seen = seen.with(chosen);
            assert!(set(places).has(in_turn(set(places), turn, next()).unwrap().place));
        }
        assert_eq!(seen, set(places), "each is chosen sometimes");
    }
    assert_eq!(least_of_two(Places::NONE, load, 1), None);
    assert_eq!(in_turn(Places::NONE, turn, 1), None);
}

/// Requests that come and go on targets of these weights: what each was given.
fn simulate(weights: &[u32], away: impl Fn(usize, usize) -> bool, by_turn: bool, seed: u64) -> Vec<usize> {
    let mut next = random(seed);
    let mut outstanding = vec![0_usize; weights.len()];
    let (mut at, mut clock) = (vec![0_u64; weights.len()], 0);
    let mut running = std::collections::VecDeque::new();
    let mut given = vec![0; weights.len()];
    for step in 0..20_000 {
        let there = (0..weights.len()).filter(|place| !away(step, *place)).collect::<Vec<_>>();
        let chosen = if by_turn {
            let taken = in_turn(set(&there), |place| Turn { at: at[place], weight: weights[place] }, clock).unwrap();
            assert!(taken.clock >= clock && taken.next > taken.clock, "the clock runs forward");
            (clock, at[taken.place]) = (taken.clock, taken.next);
            taken.place
        } else {
            let load = |place: usize| Load { outstanding: outstanding[place], weight: weights[place] };
            least_of_two(set(&there), load, next()).unwrap()
        };
        given[chosen] += 1;
        outstanding[chosen] += 1;
        running.push_back(chosen);
        while running.len() > 40 || (!running.is_empty() && next().is_multiple_of(2)) {
            let done = usize::try_from(next() % running.len() as u64).unwrap();
            outstanding[running.swap_remove_back(done).unwrap()] -= 1;
        }
        assert_eq!(outstanding.iter().sum::<usize>(), running.len());
    }
    given
}

#[test]
fn shares_follow_weights_in_a_simulation() {
    for seed in 0..8 {
        for by_turn in [false, true] {
            for weights in [&[100, 100][..], &[100, 300], &[100, 100, 200, 400]] {
                let given = simulate(weights, |_, _| false, by_turn, seed);
                let all = weights.iter().sum::<u32>();
                for (given, weight) in given.iter().zip(weights) {
                    let wanted = 20_000.0 * f64::from(*weight) / f64::from(all);
                    let off = (*given as f64 / wanted - 1.0).abs();
                    let allowed = if by_turn { 0.01 } else { 0.35 };
                    assert!(off < allowed, "by_turn {by_turn}, {weights:?}: {given} instead of {wanted}");
                }
            }
        }
    }
}

#[test]
fn turns_are_spread_evenly() {
    let weights = [300, 100];
    let (mut at, mut clock) = ([0_u64; 2], 0);
    let order = (0..8).map(|_| {
        let taken = in_turn(set(&[0, 1]), |place| Turn { at: at[place], weight: weights[place] }, clock).unwrap();
        (clock, at[taken.place]) = (taken.clock, taken.next);
        taken.place
    });
    let order = order.collect::<Vec<_>>();
    assert_eq!(order.iter().filter(|place| **place == 1).count(), 2, "{order:?}");
    assert!(order.windows(2).all(|pair| pair != [1, 1]), "{order:?}");
}

#[test]
fn a_target_that_was_away_owes_no_turns() {
    // Away for the first half: afterwards it gets its half, and not all.
    let given = simulate(&[100, 100], |step, place| place == 1 && step < 10_000, true, 7);
    assert!((4_990..=5_010).contains(&given[1]), "{given:?}");
}

#[test]
fn the_busiest_of_many_equal_targets_stays_close_to_the_others() {
    let mut next = random(11);
    let places = set(&(0..10).collect::<Vec<_>>());
    let mut outstanding = [0_usize; 10];
    for _ in 0..1_000 {
        let load = |place: usize| Load { outstanding: outstanding[place], weight: 100 };
        let chosen = least_of_two(places, load, next()).unwrap();
        outstanding[chosen] += 1;
    }
    let (least, most) = (outstanding.iter().min().unwrap(), outstanding.iter().max().unwrap());
    assert!(most - least <= 8, "{outstanding:?}");
}
