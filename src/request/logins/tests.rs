use super::*;
use crate::domain::throttle::Rate;
use crate::telemetry::Metrics;
use http::header::{AUTHORIZATION, HeaderMap};
use http::{HeaderValue, Method};

const DELAY: Duration = Duration::from_secs(2);

fn rules() -> Rules {
    let rate = |burst, secs| Rate { burst, pause: Duration::from_secs(secs) };
    Rules { user: rate(4, 60), address: rate(8, 10), delay: DELAY, ..Rules::default() }
}

/// The state alone, with a clock of the test's own.
struct Bench {
    shield: Arc<LoginShield>,
    state: State,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { shield: Arc::default(), state: State::default(), now: Instant::now() }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn begin(&mut self, pair: &str, client: &str) -> (Marks, Verdict) {
        let marks = self.shield.marks(&login(pair), client.parse().unwrap());
        (marks, self.state.begin(&marks, &rules(), self.now).0)
    }

    /// One whole try; `None` where it was refused before the API server saw it.
    fn tries(&mut self, pair: &str, client: &str, end: LoginEnd) -> Option<Duration> {
        let (marks, verdict) = self.begin(pair, client);
        let (held, wait) = match verdict {
            Verdict::Trusted => (Held::Trusted, Duration::ZERO),
            Verdict::After(wait) => (Held::Both, wait),
            Verdict::Busy | Verdict::Blocked(_) => return None,
        };
        self.state.end(&marks, held, end, &rules(), self.now);
        Some(wait)
    }
}

fn login(pair: &str) -> LoginTry {
    use base64::Engine as _;
    let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())]);
    LoginTry::of(&Method::GET, "/auth.login", &headers).unwrap()
}

use LoginEnd::{Good, Open, Refused, Unproven};

#[test]
fn guesses_at_one_user_wait_longer_and_are_then_refused_wherever_they_come_from() {
    let mut bench = Bench::new();
    let waits = (0..6).map(|guess| {
        let (pair, client) = (format!("john:{guess}"), format!("10.0.0.{guess}"));
        bench.tries(&pair, &client, Refused).map(|wait| wait.as_secs_f64())
    });
    assert_eq!(waits.collect::<Vec<_>>(), [Some(0.0), Some(0.0), Some(0.0), Some(1.0), None, None]);
    assert_eq!(bench.begin("john:x", "10.9.9.9").1, Verdict::Blocked(Duration::from_secs(60)));
    bench.pass(60);
    assert!(
        bench.tries("john:x", "10.9.9.9", Refused).is_some() && bench.tries("john:y", "10.9.9.9", Refused).is_none()
    );
}

#[test]
fn guesses_from_one_address_are_refused_whoever_they_are_for() {
    let mut bench = Bench::new();
    let passed = (0..20).filter(|guess| bench.tries(&format!("user{guess}:x"), "10.0.0.1", Refused).is_some()).count();
    assert_eq!(passed, 8);
    assert!(bench.tries("somebody:x", "10.0.0.2", Refused).is_some(), "another address is not concerned");
}

#[test]
fn one_ipv6_network_is_one_address() {
    let mut bench = Bench::new();
    let passed = (0..20)
        .filter(|guess| bench.tries(&format!("user{guess}:x"), &format!("2001:db8:1:2::{guess:x}"), Refused).is_some());
    assert_eq!(passed.count(), 8);
    assert!(bench.tries("somebody:x", "2001:db8:1:3::1", Refused).is_some());
}

#[test]
fn agents_behind_the_same_address_keep_working_through_ten_thousand_guesses() {
    let mut bench = Bench::new();
    let agent = |number: usize| format!("EGRTCO8JMSIGI6S39GTP43NFW{number:05}:secret");
    for number in 0..50 {
        assert_eq!(bench.tries(&agent(number), "10.0.0.1", Good), Some(Duration::ZERO));
    }
    let mut seen = 0;
    for guess in 0..10_000 {
        seen += usize::from(bench.tries(&format!("admin:{guess}"), "10.0.0.1", Refused).is_some());
        seen += usize::from(bench.tries(&format!("user{guess}:x"), "10.0.0.1", Refused).is_some());
        assert_eq!(bench.tries(&agent(guess % 50), "10.0.0.1", Good), Some(Duration::ZERO), "{guess}");
    }
    assert_eq!(seen, 8, "guesses that reached the API server");
    // An agent that was never seen waits, but is let in.
    assert_eq!(bench.tries(&agent(99), "10.0.0.1", Good), Some(DELAY));
    assert_eq!(bench.tries(&agent(99), "10.0.0.1", Good), Some(Duration::ZERO));
}

#[test]
fn a_success_buys_no_new_guesses() {
    let mut bench = Bench::new();
    let mut seen = 0;
    for guess in 0..100 {
        seen += usize::from(bench.tries(&format!("john:{guess}"), "10.0.0.1", Refused).is_some());
        bench.tries("own:account", "10.0.0.1", Good);
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_person_is_not_locked_out_by_guesses_from_elsewhere() {
    let mut bench = Bench::new();
    bench.tries("john:old", "10.0.0.1", Good);
    for guess in 0..100 {
        bench.tries(&format!("john:{guess}"), &format!("10.1.0.{guess}"), Refused);
    }
    assert_eq!(bench.tries("john:old", "10.2.2.2", Good), Some(Duration::ZERO), "the same password, from anywhere");
    assert_eq!(bench.tries("john:new", "10.0.0.1", Good), Some(DELAY), "a new one, from where they are known");
    assert_eq!(bench.tries("john:other", "10.3.3.3", Good), None);
}

#[test]
fn credentials_that_were_revoked_lose_their_trust() {
    let mut bench = Bench::new();
    bench.tries("john:x", "10.0.0.1", Good);
    let passed = (0..100).filter(|_| bench.tries("john:x", "10.0.0.2", Refused).is_some()).count();
    assert_eq!(passed, 4);
}

#[test]
fn answers_that_tell_without_refusing_count_and_those_that_tell_nothing_do_not() {
    let mut bench = Bench::new();
    let passed = (0..100).filter(|guess| bench.tries(&format!("john:{guess}"), "10.0.0.1", Unproven).is_some());
    assert_eq!(passed.count(), 4);
    let passed = (0..100).filter(|guess| bench.tries(&format!("jane:{guess}"), "10.0.0.3", Open).is_some()).count();
    assert_eq!(passed, 100);
    bench.tries("jim:x", "10.0.0.4", Good);
    let passed = (0..100).filter(|_| bench.tries("jim:x", "10.0.0.4", Unproven).is_some()).count();
    assert_eq!(passed, 100, "good credentials give no hint");
}

#[tokio::test(start_paused = true)]
async fn many_guesses_at_once_gain_nothing_and_many_good_logins_lose_nothing() {
    let (shield, metrics) = (Arc::<LoginShield>::default(), Metrics::new(1).worker(0));
    let tries = |pair: &'static str, status: StatusCode| {
        let mut set = tokio::task::JoinSet::new();
        for number in 0..200 {
            let (shield, metrics) = (Arc::clone(&shield), metrics.clone());
            set.spawn(async move {
                let client = "10.0.0.1".parse().unwrap();
                let Ok(attempt) = shield.admit(login(&format!("{pair}{number}")), client, &rules(), &metrics).await
                else {
                    return false;
                };
                tokio::task::yield_now().await;
                attempt.answered(status);
                true
            });
        }
        set.join_all()
    };
    let good = tries("AAAAAAAAAAAAAAAAAAAAAAAA:", StatusCode::OK).await;
    assert_eq!(good.iter().filter(|passed| **passed).count(), 200);
    let bad = tries("john:", StatusCode::UNAUTHORIZED).await;
    assert_eq!(bad.iter().filter(|passed| **passed).count(), 4);
    assert_eq!(shield.waiting.load(Ordering::Relaxed), 0);
}
