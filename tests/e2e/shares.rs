//! Shares: how many calls of one login a target works on at once, and that they refuse nobody.

use crate::support::*;
use crate::turns::{ONE, by_worker, call, gated, holding, ids, waiting};

/// Shares of two, and a queue time that no test comes near.
const SHARES: &str = "log { filter: \"debug\" }\nservices { api { per_client: 2, queue_time: \"10m\" } }";

/// Requests that are sent one after the other, `there` of which are at the target now.
fn sent(proxy: &Proxy, origin: &Origin, requests: &[String], there: usize) -> Vec<Client> {
    let before = origin.requests().len();
    let send = |request| {
        let mut client = Client::https(proxy);
        client.send(request);
        client
    };
    let clients = requests.iter().map(send).collect();
    origin.wait_requests(before + there);
    clients
}

/// Others than one. A few may meet it in its share, which is no more than a matter of chance.
const OTHERS: usize = 10;
const MOST_OTHERS: usize = OTHERS - 3;

fn others(request: impl Fn(&str) -> String) -> Vec<String> {
    (0..OTHERS).map(|number| request(&format!("other-{number}"))).collect()
}

#[test]
fn one_worker_has_its_share_and_everybody_else_is_served_beside_it() {
    let (origin, gate) = gated();
    let proxy = Run::to(&origin).conf(SHARES).start();
    let mut held = sent(&proxy, &origin, &["flood-1", "flood-2"].map(|id| by_worker(id, "runaway")), 2);
    held.push(waiting(&proxy, &by_worker("flood-3", "runaway"), "flood-3"));
    held.extend(sent(&proxy, &origin, &others(|name| by_worker(name, name)), MOST_OTHERS));
    held.extend(sent(&proxy, &origin, &[call("nobody", "/tasks.get_all", "")], 1));
    let person = "X-Allegro-Client: Webapp-2.3.0\r\nX-ClearML-Worker: runaway\r\n";
    held.extend(sent(&proxy, &origin, &[call("person", "/tasks.get_all_ex", person)], 1));
    assert!(!ids(&origin).contains(&"flood-3".to_owned()));
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
}

/// A call of an SDK that has logged in. It names its host as its worker, as all jobs of a host do.
fn by_login(id: &str, login: &str) -> String {
    let token = format!("{}.{}.{login:s>43}", "h".repeat(36), "p".repeat(600));
    let fields = "X-ClearML-Client: clearml-2.1.12\r\nX-ClearML-Worker: host\r\n";
    call(id, "/tasks.get_all", &format!("{fields}Authorization: Bearer {token}\r\n"))
}

#[test]
fn each_login_of_a_host_has_its_share() {
    let (origin, gate) = gated();
    let mut proxy = Run::to(&origin).conf(SHARES).start();
    let mut held = sent(&proxy, &origin, &["flood-1", "flood-2"].map(|id| by_login(id, "runaway")), 2);
    held.push(waiting(&proxy, &by_login("flood-3", "runaway"), "flood-3"));
    held.extend(sent(&proxy, &origin, &others(|name| by_login(name, name)), MOST_OTHERS));
    assert!(!ids(&origin).contains(&"flood-3".to_owned()));
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    proxy.stop();
    assert_eq!(proxy.counted("clearway_limit_per_client_total"), 0);
    assert!(!["ppp", "sss"].iter().any(|part| proxy.output().text().contains(part)), "no part of a token is written");
}

#[test]
fn a_login_without_a_worker_has_its_share_too() {
    let (origin, gate) = gated();
    let proxy = Run::to(&origin).conf(SHARES).start();
    let script = |id| call(id, "/tasks.get_all", "Authorization: Bearer a.b.c\r\n");
    let mut held = sent(&proxy, &origin, &["1", "2"].map(script), 2);
    held.push(waiting(&proxy, &script("3"), "3"));
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
}

#[test]
fn a_share_that_stays_taken_refuses_nobody() {
    let (origin, gate) = gated();
    let mut proxy = Run::to(&origin).conf(SHARES).conf("services { api { queue_time: \"200ms\" } }").start();
    // The target has all four, and has answered none.
    let mut held = sent(&proxy, &origin, &["1", "2", "3", "4"].map(|id| by_login(id, "a")), 4);
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    proxy.stop();
    assert_eq!(proxy.counted("clearway_limit_per_client_total"), 2);
    assert_eq!(proxy.counted("clearway_timeout_queue_total") + proxy.counted("clearway_limit_queue_total"), 0);
    let lines = proxy.output().json();
    let waits = lines.iter().filter_map(|line| line["queue_ms"].as_f64()).filter(|wait| *wait >= 100.0);
    assert_eq!(waits.count(), 2, "half of the queue time");
}

#[test]
fn a_share_whose_queue_is_full_refuses_nobody() {
    let (origin, gate) = gated();
    let mut proxy = Run::to(&origin).conf(SHARES).conf("services { api { queue: 1 } }").start();
    let mut held = sent(&proxy, &origin, &["1", "2"].map(|id| by_login(id, "a")), 2);
    held.push(waiting(&proxy, &by_login("3", "a"), "3"));
    held.extend(sent(&proxy, &origin, &["4", "5"].map(|id| by_login(id, "a")), 2));
    assert!(!ids(&origin).contains(&"3".to_owned()));
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    proxy.stop();
    assert_eq!(proxy.counted("clearway_limit_per_client_total"), 2);
    assert_eq!(proxy.counted("clearway_limit_queue_total"), 0);
}

#[test]
fn a_client_with_many_logins_has_one_turn_where_all_wait() {
    let (origin, gate) = gated();
    let proxy = Run::to(&origin).conf(ONE).conf("services { api { per_client: 10 } }").start();
    let mut held = vec![holding(&proxy, &origin)];
    for login in ["a", "b", "c"] {
        held.push(waiting(&proxy, &by_login(login, login), login));
    }
    held.push(waiting(&proxy, &by_worker("other", "gpu-1"), "other"));
    let person = call("person", "/tasks.get_all_ex", "X-Allegro-Client: Webapp-2.3.0\r\n");
    held.push(waiting(&proxy, &person, "person"));
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    assert_eq!(ids(&origin), ["holds", "person", "a", "other", "b", "c"]);
}
