use super::*;
use proptest::prelude::*;
use std::time::UNIX_EPOCH;

const HOUR: Duration = Duration::from_secs(3_600);
const PER_DAY: usize = 12;

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
    let pauses = (0..9).map(|failures| pause(failures, middle).as_secs()).collect::<Vec<_>>();
    assert_eq!(pauses, [0, 37, 112, 337, 1012, 3037, 9112, 13499, 13499]);
    assert_eq!(pause(u32::MAX, Draw::of(u32::MAX)), PAUSE_MAX * 3 / 2);
}

#[test]
fn the_authority_s_patience_counts_within_reason() {
    let mut attempts = Attempts::default();
    assert_eq!(attempts.next(at(0.0), PER_DAY, Draw::of(0)), at(0.0));
    attempts.begin(at(0.0));
    attempts.fail(at(0.0), Some(at(2.0)));
    assert_eq!(attempts.next(at(0.1), PER_DAY, Draw::of(0)), at(2.0));
    attempts.fail(at(0.0), Some(at(4_000.0)));
    assert_eq!(attempts.next(at(0.1), PER_DAY, Draw::of(0)), at(7.0));
    attempts.begin(at(7.0));
    attempts.succeed();
    assert_eq!(attempts.next(at(7.0), PER_DAY, Draw::of(0)), at(7.0), "nothing is held against a success");
}

#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let mut attempts = Attempts::default();
    attempts.begin(at(400.0));
    attempts.fail(at(400.0), Some(at(401.0)));
    assert!(attempts.next(at(0.0), PER_DAY, Draw::of(0)) <= at(0.0));
    attempts.begin(at(0.0));
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
        let next = due.max(attempts.next(now, PER_DAY, spread));
        if next > now {
            // Whoever starts again has nothing but what was written down.
            now = next.min(now + restart);
            continue;
        }
        attempts.begin(now);
        begun.push(now);
        if now < down || now >= up {
            return (begun, now);
        }
        attempts.fail(now, None);
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
