//! Login shield: guesses are slowed and refused, good credentials pass.

use crate::support::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Few failures, no waits.
const FEW: &str = "protection.logins { user_failures: 3, user_pause: \"1h\", address_failures: 6, address_pause: \"1h\", \
                   delay: \"0s\" }";
const AGENT: &str = "EGRTCO8JMSIGI6S39GTP43NFWXDQOW:good";

/// An API server to which every secret `good` is right.
fn api() -> Origin {
    Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            let fields = &request.head.fields;
            let basic = fields.all("authorization").concat();
            let pair = basic.strip_prefix("Basic ").and_then(|pair| STANDARD.decode(pair).ok()).unwrap_or_default();
            let right = pair.ends_with(b":good") || basic.starts_with("Bearer ");
            visit.write(match right || request.asked().contains("supported_modes") {
                true => ok(r#"{"meta":{"result_code":200},"data":{"token":"a.b.c"}}"#),
                false => "HTTP/1.1 401 UNAUTHORIZED\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
            })?;
        }
    })
}

fn login(path: &str, pair: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {API}\r\nAuthorization: Basic {}\r\n\r\n", STANDARD.encode(pair))
}

fn statuses(client: &mut Client, requests: impl IntoIterator<Item = String>) -> Vec<u16> {
    requests.into_iter().map(|request| client.send(request).answer().status).collect()
}

#[test]
fn guesses_at_a_user_end_in_429_that_clients_understand() {
    let origin = api();
    let proxy = Run::to(&origin).conf(FEW).start();
    let mut client = Client::https(&proxy);
    let paths = ["/auth.login", "/v2.23/auth.login", "/%61uth.login"];
    let guesses = paths.iter().enumerate().map(|(guess, path)| login(path, &format!("john:{guess}")));
    assert_eq!(statuses(&mut client, guesses), [401, 401, 401]);
    let answer = client.send(login("/auth.login", "john:x")).answer();
    answer.assert_fault(429, "client; too_many_logins");
    assert_eq!(answer.json()["meta"]["result_code"], 429);
    let wait = answer.field("retry-after").parse::<u64>().unwrap();
    assert!((3_000..=3_600).contains(&wait), "{wait}");
    assert!(!answer.text().contains("john"));
    assert_eq!(origin.requests().len(), 3);
    let event = proxy.event("logins are refused");
    assert_eq!(event["client"], "127.0.0.1");
    assert!(!proxy.events().text().contains("john"));
}

#[test]
fn any_action_and_a_lenient_answer_count_as_guesses() {
    for path in ["/v2.23/tasks.get_all", "/login.supported_modes"] {
        let origin = api();
        let proxy = Run::to(&origin).conf(FEW).start();
        let guesses = (0..6).map(|guess| login(path, &format!("john:{guess}")));
        let statuses = statuses(&mut Client::https(&proxy), guesses);
        assert_eq!(statuses.iter().filter(|status| **status != 429).count(), 3, "{path}: {statuses:?}");
    }
}

#[test]
fn agents_with_good_keys_behind_the_same_address_are_not_hurt() {
    let origin = api();
    let proxy = Run::to(&origin).conf(FEW).start();
    let mut client = Client::https(&proxy);
    assert_eq!(statuses(&mut client, [login("/auth.login", AGENT)]), [200]);
    let guesses = (0..40).map(|guess| login("/auth.login", &format!("user{guess}:x")));
    let blocked = statuses(&mut client, guesses).into_iter().filter(|status| *status == 429).count();
    assert_eq!(blocked, 34);
    assert_eq!(statuses(&mut client, [login("/auth.login", AGENT)]), [200], "known");
    assert_eq!(statuses(&mut client, [login("/auth.login", &format!("X{AGENT}"))]), [200], "an access key never seen");
    assert_eq!(statuses(&mut client, [login("/auth.login", "jane:good")]), [429], "a person never seen");
    let bearer =
        format!("GET /v2.23/queues.get_next_task HTTP/1.1\r\nHost: {API}\r\nAuthorization: Bearer a.b.c\r\n\r\n");
    assert_eq!(statuses(&mut client, [bearer]), [200], "who is logged in");
}

#[test]
fn addresses_are_those_behind_trusted_proxies() {
    let origin = api();
    let proxy = Run::to(&origin).conf(FEW).conf("trusted_proxies: [\"127.0.0.0/8\"]").start();
    let mut client = Client::https(&proxy);
    let from = |address: &str, pair: &str| {
        login("/auth.login", pair).replace("\r\n\r\n", &format!("\r\nX-Forwarded-For: {address}\r\n\r\n"))
    };
    let guesses = (0..8).map(|guess| from("2001:db8::1", &format!("user{guess}:x")));
    assert_eq!(statuses(&mut client, guesses), [401, 401, 401, 401, 401, 401, 429, 429]);
    let others = [from("2001:db8::2", "a:x"), from("2001:db8:0:1::1", "a:x"), from("10.0.0.1", "b:x")];
    assert_eq!(statuses(&mut client, others), [429, 401, 401]);
}

#[test]
fn answers_that_say_nothing_of_the_credentials_are_no_failures() {
    let origin = Origin::answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let proxy = Run::to(&origin).conf(FEW).start();
    let logins = (0..10).map(|_| login("/auth.login", "john:x"));
    assert_eq!(statuses(&mut Client::https(&proxy), logins), [503; 10]);
}

#[test]
fn failures_slow_the_next_try_and_the_shield_can_be_turned_off() {
    let origin = api();
    let slow = "protection.logins { user_failures: 2, user_pause: \"1h\", delay: \"600ms\" }";
    let proxy = Run::to(&origin).conf(slow).start();
    let mut client = Client::https(&proxy);
    for pair in ["john:1", "john:2"] {
        client.send(login("/auth.login", pair)).answer();
    }
    // Familiar from here: never refused, but made to wait longest.
    let mut jane = Client::https(&proxy);
    assert_eq!(statuses(&mut jane, [login("/auth.login", "jane:good")]), [200]);
    assert_eq!(statuses(&mut jane, [login("/auth.login", "jane:1"), login("/auth.login", "jane:2")]), [401, 401]);
    let begun = std::time::Instant::now();
    assert_eq!(statuses(&mut jane, [login("/auth.login", "jane:3")]), [401]);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(600), "{:?}", begun.elapsed());
    let off = Run::to(&origin).conf("protection.logins { shield: false, user_failures: 1 }").start();
    let guesses = (0..10).map(|guess| login("/auth.login", &format!("john:{guess}")));
    assert_eq!(statuses(&mut Client::https(&off), guesses), [401; 10]);
}
