use super::*;

fn rules() -> HealthRules {
    HealthRules {
        down_after: 3,
        up_after: 2,
        eject_after: 3,
        eject_for: Duration::from_secs(10),
        eject_max: Duration::from_secs(60),
        slow_start: Duration::from_secs(20),
    }
}

fn sign(word: &str) -> Sign {
    let reason = String::from(word);
    match word {
        "good" => Sign::Good,
        "bad" => Sign::Bad(reason),
        "silent" => Sign::Silent(reason),
        "closed" => Sign::Closed(reason),
        "refused" => Sign::Refused(reason),
        "unaccepted" => Sign::Unaccepted(reason),
        "answered" => Sign::Answered,
        "broke" => Sign::Broke(reason),
        other => panic!("{other}"),
    }
}

/// Sees each word a second after the one before; a number waits so many seconds.
fn after(words: &str) -> (Health, Instant) {
    let start = Instant::now();
    let (mut health, mut now) = (Health::new(start), start);
    for word in words.split_whitespace() {
        now += Duration::from_secs(word.parse().unwrap_or(1));
        match word.parse::<u64>() {
            Ok(_) => health.pass(&rules(), now),
            Err(_) => health.see(sign(word), &rules(), now),
        }
    }
    (health, now)
}

#[test]
fn states_follow_from_what_was_seen() {
    for (words, state) in [
        ("", State::Up),
        ("good", State::Up),
        // A probe or two may fail.
        ("bad bad", State::Up),
        ("bad bad good bad bad", State::Up),
        ("bad bad bad", State::Down),
        ("silent silent silent", State::Down),
        ("bad silent bad", State::Down),
        // It takes two good ones to come back, and a while to warm up.
        ("bad bad bad good", State::Down),
        ("bad bad bad good good", State::Warming),
        ("bad bad bad good good 19", State::Warming),
        ("bad bad bad good good 20", State::Up),
        ("bad bad bad good bad good good", State::Warming),
        // Nobody there: at once, and back at once.
        ("refused", State::Unreachable),
        ("unaccepted", State::Unreachable),
        ("refused good", State::Up),
        ("unaccepted answered", State::Up),
        ("refused refused refused", State::Unreachable),
        ("refused refused refused good", State::Down),
        ("refused refused refused answered", State::Down),
        ("refused refused refused good good", State::Warming),
        // A thousand refused requests are one fact.
        ("unaccepted unaccepted unaccepted unaccepted good", State::Up),
        // An answer that is not as expected is an answer all the same.
        ("refused bad", State::Up),
        ("refused refused bad", State::Down),
        // Accepting without a word proves nothing either way.
        ("refused silent", State::Unreachable),
        // Accepted and closed: twice in a row, unless requests are answered between.
        ("closed", State::Up),
        ("closed closed", State::Unreachable),
        ("closed answered closed", State::Up),
        ("closed good closed", State::Up),
        ("closed closed good", State::Up),
        // Requests broken off in a row.
        ("broke broke", State::Up),
        ("broke broke answered broke broke", State::Up),
        ("broke broke broke", State::Ejected),
        ("broke broke broke good good good", State::Ejected),
        ("broke broke broke 9", State::Ejected),
        ("broke broke broke 10", State::Warming),
        ("broke broke broke 10 20", State::Up),
        ("broke broke broke refused", State::Unreachable),
        ("broke broke broke bad bad bad 20", State::Down),
    ] {
        let (health, _) = after(words);
        assert_eq!(health.state(), state, "{words}");
        assert_eq!(health.reason().is_empty(), state.is_fit(), "{words}: {:?}", health.reason());
    }
}

#[test]
fn ejections_double_up_to_their_limit_and_begin_again_after_a_good_while() {
    let (mut health, mut now) = after("");
    let mut eject = |quiet: u64, expected: u64| {
        now += Duration::from_secs(quiet);
        for _ in 0..3 {
            health.see(sign("broke"), &rules(), now);
        }
        let until = health.changes_at(&rules()).unwrap();
        assert_eq!((health.state(), until - now), (State::Ejected, Duration::from_secs(expected)));
        now = until;
        health.pass(&rules(), now);
        assert_eq!(health.state(), State::Warming);
    };
    for expected in [10, 20, 40, 60, 60] {
        eject(1, expected);
    }
    eject(61, 10);
}

#[test]
fn a_warming_target_gets_a_growing_share() {
    let (mut health, begun) = after("bad bad bad good good");
    for (seconds, share) in [(0, 10), (1, 10), (2, 10), (10, 50), (19, 95), (20, 100), (99, 100)] {
        assert_eq!(health.share(&rules(), begun + Duration::from_secs(seconds)), share, "{seconds}");
    }
    health.pass(&rules(), begun + Duration::from_secs(20));
    assert_eq!(health.share(&rules(), begun), 100);
    let without = HealthRules { slow_start: Duration::ZERO, ..rules() };
    let (mut health, now) = after("bad bad bad good");
    health.see(Sign::Good, &without, now);
    assert_eq!((health.state(), health.share(&without, now)), (State::Up, 100));
}

#[test]
fn since_and_reason_are_of_the_last_change() {
    let (health, now) = after("bad bad silent silent");
    assert_eq!((health.since(), health.reason()), (now - Duration::from_secs(1), "silent"));
}

#[test]
fn a_target_that_closes_every_probe_is_tried_once_in_a_while() {
    let (mut health, now) = after("refused");
    assert!(!health.trial(now), "nobody is there");
    let (mut health, now) = after("closed closed");
    let tries = [0, 1, 4, 5, 6, 10].map(|second| health.trial(now + Duration::from_secs(second)));
    assert_eq!(tries, [true, false, false, true, false, true]);
}

/// Thousands of steps of everything that can happen, in any order.
#[test]
fn what_must_hold_holds_at_every_step_of_a_simulation() {
    const WORDS: [&str; 8] = ["good", "bad", "silent", "closed", "refused", "unaccepted", "answered", "broke"];
    for seed in 1..=40_u64 {
        let mut state = seed;
        let mut next = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut now = Instant::now();
        let mut health = Health::new(now);
        for _ in 0..2_000 {
            now += Duration::from_millis(next(3_000));
            let before = (health.state(), health.since());
            let word = WORDS[usize::try_from(next(8)).unwrap()];
            health.see(sign(word), &rules(), now);
            let state = health.state();
            match word {
                "good" | "answered" | "bad" => assert_ne!(state, State::Unreachable, "somebody answered"),
                "refused" | "unaccepted" => assert_eq!(state, State::Unreachable),
                _ => {}
            }
            assert_eq!(health.since() != before.1, state != before.0, "a change has a time, and only a change");
            assert_eq!(health.reason().is_empty(), state.is_fit());
            assert!((10..=100).contains(&health.share(&rules(), now)));
            if let Some(at) = health.changes_at(&rules()) {
                assert!(at > now && at <= now + rules().eject_max);
            }
            assert!(state == State::Up || health.is_troubled() || state != State::Unreachable);
            assert!(!health.trial(now) || state == State::Unreachable);
        }
        // Whatever came before: good probes and time bring it back.
        for _ in 0..3 {
            now += Duration::from_secs(30);
            health.see(Sign::Good, &rules(), now);
        }
        now += rules().eject_max + rules().slow_start;
        health.pass(&rules(), now);
        now += rules().slow_start;
        health.pass(&rules(), now);
        assert_eq!(health.state(), State::Up, "seed {seed}");
    }
}
