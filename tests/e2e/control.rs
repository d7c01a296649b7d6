//! The admin socket and the commands behind it.

use crate::support::*;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn status(proxy: &Proxy) -> Value {
    let (code, out, err) = proxy.command(&["status", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

#[test]
fn status_tells_all_of_it_as_json_and_as_tables() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/").status, 200);
    let view = status(&proxy);
    assert_eq!(view["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&view["workers"], &view["state"]), (&1.into(), &"serving".into()));
    assert_eq!(view["connections"], 1, "{view}");
    assert_eq!(view["listeners"][0]["address"], proxy.https().to_string());
    let api = &view["services"][1];
    assert_eq!((&api["name"], &api["targets"][0]["state"]), (&"api".into(), &"up".into()), "{api}");
    assert_eq!(api["targets"][0]["address"], origin.addr().to_string());
    assert!(api["targets"][0]["since"].as_str().unwrap().ends_with('Z'), "{api}");
    let certificate = &view["certificates"][0];
    assert!(certificate["names"].as_array().unwrap().contains(&API.into()), "{certificate}");
    assert!(certificate["days_left"].as_i64().unwrap() > 100, "{certificate}");
    assert!(view["last_reload"].is_null());
    assert_eq!(view["alarms"], serde_json::json!([]));
    let (code, table, _) = proxy.command(&["status"]);
    assert_eq!(code, 0);
    for part in ["SERVICE", "api", "up", API, "no reload since the start", &origin.addr().to_string()] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
}

#[test]
fn only_the_owner_may_use_the_socket_and_it_goes_with_the_proxy() {
    let origin = Origin::ok();
    let mut proxy = Proxy::to(&origin);
    let socket = proxy.folder().join("clearway/admin.sock");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    assert_eq!(proxy.stop().code(), Some(0));
    assert!(!socket.exists());
    // Named, because another proxy of this machine may answer at the usual places.
    let (code, _, err) = proxy.command(&["status", "--socket", socket.to_str().unwrap()]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("no proxy answers"), "{err}");
}

#[test]
fn reload_answers_with_what_changed_or_with_every_problem() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("reload { watch: false }").start();
    proxy.edit(|conf| conf + "services.files.max_body: 1KiB\n");
    let (code, out, _) = proxy.command(&["reload"]);
    assert_eq!(code, 0);
    assert!(out.contains("(command): services.files.max_body"), "{out}");
    proxy.edit(|conf| conf + "timeouts.hold: never\nworkerz: 3\n");
    let (code, out, _) = proxy.command(&["reload"]);
    assert_eq!(code, 1);
    assert!(out.contains("never") && out.contains("workerz") && out.contains("hint:"), "{out}");
    let view = status(&proxy);
    assert!(view["alarms"][0].as_str().unwrap().contains("was refused"), "{view}");
    let last = &view["last_reload"];
    assert_eq!((&last["ok"], last["problems"].as_array().unwrap().len()), (&false.into(), 2), "{last}");
}

#[test]
fn a_drained_target_gets_no_new_requests_until_it_is_undrained() {
    let release = Gate::default();
    let gate = release.clone();
    let one = Origin::script(move |visit| {
        loop {
            if visit.request()?.head.line.contains("/slow") {
                gate.wait();
            }
            visit.write(ok("one"))?;
        }
    });
    let two = Origin::answering(ok("two"));
    let targets = format!("services.api.targets: [\"{}\", \"{}\"]", one.addr(), two.addr());
    let proxy = Run::to(&one).conf(&targets).conf("reload { watch: false }\nhealth.enabled: false").start();
    let mut slow = Client::https(&proxy);
    // Whoever gets it, it is the one that is drained.
    let count = |origin: &Origin| origin.requests().iter().filter(|request| request.head.line.contains("/n")).count();
    slow.send(get(API, "/first"));
    assert_eq!(slow.answer().status, 200);
    let (code, out, _) = proxy.command(&["drain", "api", &one.addr().to_string()]);
    assert_eq!(code, 0, "{out}");
    let mut client = Client::https(&proxy);
    for _ in 0..10 {
        assert_eq!(client.get(API, "/n").text(), "two");
    }
    assert_eq!(count(&one), 0);
    assert!(proxy.reload(1), "an operator's word outlasts a reload");
    assert_eq!(client.get(API, "/n").text(), "two");
    let states = || {
        status(&proxy)["services"][1]["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|target| target["state"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(), ["drained", "up"]);
    let (code, _, err) = proxy.command(&["drain", "api", "127.0.0.1:1"]);
    assert_eq!(code, 1);
    assert!(err.contains("has no target"), "{err}");
    assert_eq!(proxy.command(&["undrain", "api"]).0, 0);
    assert_eq!(states(), ["up", "up"]);
    let answers = (0..20).map(|_| client.get(API, "/n").text()).collect::<Vec<_>>();
    assert!(answers.iter().any(|answer| answer == "one"), "{answers:?}");
    release.open();
}

#[test]
fn a_drained_service_finishes_what_runs() {
    let release = Gate::default();
    let gate = release.clone();
    let origin = Origin::script(move |visit| {
        loop {
            visit.request()?;
            gate.wait();
            visit.write(ok("done"))?;
        }
    });
    let proxy = Run::to(&origin).conf("timeouts.hold: 100ms").start();
    let mut running = Client::https(&proxy);
    running.send(get(FILES, "/"));
    origin.wait_requests(1);
    assert_eq!(proxy.command(&["drain", "files"]).0, 0);
    assert_eq!(Client::https(&proxy).get(FILES, "/").status, 503);
    release.open();
    assert_eq!(running.answer().text(), "done");
    assert_eq!(proxy.command(&["undrain", "files"]).0, 0);
    assert_eq!(Client::https(&proxy).get(FILES, "/").text(), "done");
}

#[test]
fn maintenance_is_told_to_each_client_in_its_way() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("reload { watch: false }").start();
    let mut client = Client::https(&proxy);
    let order = ["maintenance", "on", "api", "app", "--for", "10m", "--reason", "moving <house>"];
    let (code, out, _) = proxy.command(&order);
    assert_eq!(code, 0, "{out}");
    let answer = client.get(API, "/v2.23/tasks.get_all");
    assert_eq!(
        (answer.status, answer.field("retry-after"), answer.field("x-fault")),
        (503, "5".into(), "proxy; maintenance".into())
    );
    let value = serde_json::from_str::<Value>(&answer.text()).unwrap();
    assert_eq!(value["meta"]["result_code"], 503);
    assert!(value["meta"]["result_msg"].as_str().unwrap().contains("moving <house>"), "{value}");
    let page = client.get(APP, "/");
    assert_eq!(page.status, 503);
    assert!(page.text().contains("http-equiv=\"refresh\"") && page.text().contains("moving &lt;house&gt;"));
    assert_eq!(client.get(FILES, "/").status, 200, "only what was named is closed");
    assert_eq!(origin.requests().len(), 1);
    assert!(proxy.reload(1));
    assert_eq!(client.get(API, "/").status, 503, "it outlasts a reload");
    let notice = &status(&proxy)["services"][1]["maintenance"];
    assert_eq!(notice["reason"], "moving <house>");
    assert!(notice["until"].is_string(), "{notice}");
    assert_eq!(proxy.command(&["maintenance", "off"]).0, 0);
    assert_eq!((client.get(API, "/").status, client.get(APP, "/").status), (200, 200));
    for wrong in [&["maintenance", "on", "api", "--for", "soon"][..], &["maintenance", "on", "mongo"], &["maintenance"]]
    {
        assert_eq!(proxy.command(wrong).0, 2, "{wrong:?}");
    }
}

#[test]
fn maintenance_ends_by_itself() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    assert_eq!(proxy.command(&["maintenance", "on", "--for", "1s"]).0, 0);
    assert_eq!(Client::https(&proxy).get(API, "/").status, 503);
    // Each service says so.
    proxy.events().wait_times("the end for each", 3, |event| event["message"] == "maintenance ended by itself");
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    assert!(status(&proxy)["services"][1]["maintenance"].is_null());
}

#[test]
fn running_uploads_finish_and_new_ones_wait_for_the_end_of_maintenance() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("maintenance.held: 1").start();
    let body = pattern(300_000);
    let head = format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut running = Client::https(&proxy);
    running.send(&head).send(&body[..100_000]);
    origin.wait_bytes(1_000);
    assert_eq!(proxy.command(&["maintenance", "on", "files"]).0, 0);
    running.send(&body[100_000..]);
    assert_eq!(running.answer().status, 200);
    let mut new = Client::https(&proxy);
    new.send(&head).send(&body[..10_000]);
    while status(&proxy)["services"][2]["maintenance"]["held"] != 1 {
        std::thread::yield_now();
    }
    assert_eq!(origin.requests().len(), 1);
    // There is one place, and what is no upload never waits.
    assert_eq!(Client::https(&proxy).send(post(FILES, "/", "more")).answer().status, 503);
    assert_eq!(Client::https(&proxy).get(FILES, "/model.bin").status, 503);
    assert_eq!(proxy.command(&["maintenance", "off", "files"]).0, 0);
    new.send(&body[10_000..]);
    assert_eq!(new.answer().status, 200);
    assert!(origin.last().body == body);
}

#[test]
fn held_uploads_are_refused_in_time_or_at_once_as_configured() {
    let origin = Origin::ok();
    for conf in ["maintenance.hold: 1s", "maintenance.hold_uploads: false"] {
        let proxy = Run::to(&origin).conf(conf).start();
        assert_eq!(proxy.command(&["maintenance", "on"]).0, 0);
        let answer = Client::https(&proxy).send(post(FILES, "/", "a file")).answer();
        assert_eq!((answer.status, answer.field("retry-after")), (503, "5".into()), "{conf}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_second_proxy_leaves_the_socket_to_the_first() {
    let origin = Origin::ok();
    let first = Run::to(&origin).conf("admin.socket: \"own.sock\"").start();
    let path = first.folder().join("own.sock");
    let second = Run::to(&origin).conf(&format!("admin.socket: {path:?}")).start();
    second.event("there is no admin socket; clearway status and its like cannot reach this proxy");
    let (code, out, _) = first.command(&["status", "--json", "--socket", path.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(out.contains(&first.https().to_string()), "{out}");
}
