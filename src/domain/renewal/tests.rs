use super::*;
use proptest::prelude::*;
use std::time::UNIX_EPOCH;

const HOUR: Duration = Duration::from_secs(3_600);
const PER_DAY: usize = 12;
const RULES: Rules = Rules { per_day: PER_DAY, first_pause: Duration::from_secs(30), second_after: None };
const WITH_SECOND: Rules = Rules { second_after: Some(3), ..RULES };

fn at(days: f64) -> SystemTime {
    UNIX_EPOCH + DAY.mul_f64(20_000.0 + days)
}

fn life(days: f64) -> Life {
    Life { not_before: at(0.0), not_after: at(days) }
}

#[test]
fn renewed_after_two_thirds_or_in_the_window() {
    let window = |start, end| Some(Window { start: at(start), end: at(end) });
    let (early, late) = (Draw::of(0), Draw::of(u32::MAX));
    for (days, window, draw, expected) in [
        (90.0, None, early, 60.0),
        (90.0, None, late, 61.5),
        (6.0, None, early, 4.0),
        (90.0, window(30.0, 40.0), early, 30.0),
        (90.0, window(30.0, 40.0), late, 40.0),
        // Revoked, or about to be: the window lies in the past.
        (90.0, window(-2.0, -1.0), late, -1.0),
        (90.0, window(85.0, 95.0), late, 81.0),
        (90.0, window(40.0, 30.0), late, 40.0),
    ] {
        assert_eq!(due(life(days), window, draw), at(expected), "{days} {window:?} {draw:?}");
    }
    let backwards = Life { not_before: at(9.0), not_after: at(1.0) };
    assert_eq!(due(backwards, None, early), at(9.0));
}

#[test]
fn pauses_grow_up_to_hours() {
    let middle = Draw::of(u32::MAX / 2);
    let pauses = (0..9).map(|failures| pause(failures, RULES.first_pause, middle).as_secs()).collect::<Vec<_>>();
    assert_eq!(pauses, [0, 37, 112, 337, 1012, 3037, 9112, 13499, 13499]);
    assert_eq!(pause(u32::MAX, RULES.first_pause, Draw::of(u32::MAX)), PAUSE_MAX * 3 / 2);
}

#[test]
fn the_authority_s_patience_counts_within_reason() {
    let draw = Draw::of(0);
    let mut attempts = Attempts::default();
    assert_eq!(attempts.next(at(0.0), &RULES, draw), None);
    attempts.begin(at(0.0), Turn::First);
    attempts.fail(at(0.0), Turn::First, Some(at(2.0)));
    assert_eq!(attempts.next(at(0.1), &RULES, draw), Some((at(2.0), Hold::Patience)));
    attempts.fail(at(0.0), Turn::First, Some(at(4_000.0)));
    assert_eq!(attempts.next(at(0.1), &RULES, draw), Some((at(7.0), Hold::Patience)));
    attempts.begin(at(7.0), Turn::First);
    assert_eq!(attempts.next(at(7.0), &RULES, draw).unwrap().1, Hold::Failures(2));
    attempts.succeed();
    assert_eq!(attempts.next(at(7.0), &RULES, draw), None, "nothing is held against a success");
    attempts.begun = vec![at(7.0); PER_DAY];
    assert_eq!(attempts.next(at(7.5), &RULES, draw), Some((at(8.0), Hold::PerDay)));
}

#[test]
fn the_second_authority_stands_in_after_so_many_failures_and_not_for_longer() {
    use Turn::{First, Second};
    let mut attempts = Attempts::default();
    let mut turns = Vec::new();
    for _ in 0..9 {
        let turn = attempts.turn(at(0.0), &WITH_SECOND);
        turns.push(turn);
        attempts.begin(at(0.0), turn.0);
        attempts.fail(at(0.0), turn.0, None);
    }
    // Each is asked in each of its ways before long: its own attempts are counted.
    let first = |count| (First, count);
    let second = |count| (Second, count);
    let expected = [first(0), first(1), first(2), second(0), first(3), second(1), first(4), second(2), first(5)];
    assert_eq!(turns, expected);
    assert_eq!(attempts.turn(at(0.0), &RULES), (First, 9), "where there is no second");
    attempts.succeed();
    assert_eq!(attempts.turn(at(0.0), &WITH_SECOND).0, First, "the next renewal begins with the first again");
}

#[test]
fn an_authority_that_asks_for_patience_is_not_waited_for_where_there_is_another() {
    let draw = Draw::of(0);
    let mut attempts = Attempts::default();
    attempts.begin(at(0.0), Turn::First);
    attempts.fail(at(0.0), Turn::First, Some(at(3.0)));
    let soon = at(0.0) + WITH_SECOND.first_pause;
    assert_eq!(attempts.next(at(0.0), &WITH_SECOND, draw), Some((soon, Hold::Failures(1))));
    assert_eq!(attempts.turn(soon, &WITH_SECOND).0, Turn::Second);
    attempts.begin(soon, Turn::Second);
    attempts.fail(soon, Turn::Second, Some(at(2.0)));
    assert_eq!(attempts.next(soon, &WITH_SECOND, draw), Some((at(2.0), Hold::Patience)), "the sooner of the two");
    assert_eq!(attempts.turn(at(2.0), &WITH_SECOND).0, Turn::Second);
}

#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let mut attempts = Attempts::default();
    attempts.begin(at(400.0), Turn::First);
    attempts.fail(at(400.0), Turn::First, Some(at(401.0)));
    assert_eq!(attempts.next(at(0.0), &RULES, Draw::of(0)), None);
    attempts.begin(at(0.0), Turn::First);
    assert_eq!(attempts.begun, [at(0.0)]);
}

/// The life of a proxy whose authority is down from `down` on for `days`, and which is started again every `restart`.
/// When each attempt began, and when the certificate was renewed.
fn simulate(life: Life, down: SystemTime, days: f64, restart: Duration, seed: u32) -> (Vec<SystemTime>, SystemTime) {
    let (mut now, mut attempts, mut begun, mut bits) = (life.not_before, Attempts::default(), Vec::new(), seed);
    let up = down + DAY.mul_f64(days);
    let mut draw = || {
        bits = bits.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        Draw::of(bits)
    };
    let due = due(life, None, draw());
    let mut spread = draw();
    for _ in 0..1_000_000 {
        let next = due.max(attempts.next(now, &RULES, spread).map_or(now, |(at, _)| at));
        if next > now {
            // Whoever starts again has nothing but what was written down.
            now = next.min(now + restart);
            continue;
        }
        attempts.begin(now, Turn::First);
        begun.push(now);
        if now < down || now >= up {
            return (begun, now);
        }
        attempts.fail(now, Turn::First, None);
        spread = draw();
    }
    panic!("never renewed");
}

#[test]
fn days_without_the_authority_cost_few_attempts_and_no_certificate() {
    for days in [0.01, 1.0, 5.0, 20.0] {
        let life = life(90.0);
        let (begun, renewed) = simulate(life, at(59.0), days, HOUR, 7);
        let back = (at(59.0) + DAY.mul_f64(days)).max(at(61.5));
        assert!(renewed < back + PAUSE_MAX * 3 / 2, "noticed within hours after {days} days");
        assert!(renewed < life.not_after - DAY);
        assert!(begun.len() as f64 <= 8.0 + days * PER_DAY as f64, "{} attempts in {days} days", begun.len());
        let first_hour = begun.iter().filter(|at| **at < begun[0] + HOUR).count();
        assert!(first_hour <= 5, "{first_hour}");
    }
}

proptest! {
    #[test]
    fn never_more_than_so_many_a_day(days in 0.0..40.0, restart in 3_600_u64..100_000, seed: u32) {
        let (begun, _) = simulate(life(90.0), at(50.0), days, Duration::from_secs(restart), seed);
        for window in begun.windows(PER_DAY + 1) {
            prop_assert!(window[PER_DAY] >= window[0] + DAY);
        }
    }

    #[test]
    fn always_renewed_before_the_end(days in 0.01..4_000.0, start in -100.0..5_000.0, length in 0.0..50.0, bits: u32) {
        let window = Some(Window { start: at(start), end: at(start + length) });
        for window in [None, window] {
            prop_assert!(due(life(days), window, Draw::of(bits)) <= at(days * 0.9) + Duration::from_millis(1));
        }
    }
}
