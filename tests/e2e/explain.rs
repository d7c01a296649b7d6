//! `clearway explain URL` says of a request what the running proxy does with it.

use crate::support::*;
use serde_json::Value;

const LOGIN: &str = "Cookie: clearml_token_basic=x\r\n";

/// What the proxy does with it: the status, and the fault's code where it refused.
fn done(client: &mut Client, method: &str, host: &str, path: &str, lines: &str) -> (u64, String) {
    let answer =
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{lines}\r\n")).answer();
    let fault = if answer.has("x-fault") { answer.field("x-fault") } else { String::new() };
    (answer.status.into(), fault.rsplit("; ").next().unwrap_or_default().to_owned())
}

/// What is said of it.
fn told(proxy: &Proxy, method: &str, host: &str, path: &str, lines: &str) -> Value {
    let url = format!("https://{host}{path}");
    let headers = lines.lines().flat_map(|line| ["--header", line]);
    let arguments = ["explain", &url, "--json", "--method", method, "--client", "127.0.0.1"];
    let (_, out, err) = proxy.command(&arguments.into_iter().chain(headers).collect::<Vec<_>>());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

fn check_all(conf: &str, cases: &[(&str, &str, &str, &str, &str)]) {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(conf).start();
    let mut client = Client::https(&proxy);
    for (method, host, path, lines, rule) in cases {
        let (status, fault) = done(&mut client, method, host, path, lines);
        let told = told(&proxy, method, host, path, lines);
        let (end, case) = (&told["end"], format!("{conf}: {method} {host}{path} {lines:?}: {told:#}"));
        match fault.as_str() {
            "" => assert_eq!((status, end["kind"].as_str()), (200, Some("forwarded")), "{case}"),
            fault => assert_eq!((end["status"].as_u64(), end["fault"].as_str()), (Some(status), Some(fault)), "{case}"),
        }
        let refusing = told["checks"].as_array().unwrap().iter().find(|check| check["said"] == "refuses");
        assert_eq!(refusing.map_or("", |check| check["rule"].as_str().unwrap()), *rule, "{case}");
        assert_eq!(fault.is_empty(), rule.is_empty(), "{case}: {fault}");
    }
}

#[test]
fn pages_are_judged_as_the_guard_does() {
    let evil = format!("{LOGIN}Origin: https://evil.example\r\n");
    let own = format!("{LOGIN}Origin: https://app.clearml.test\r\n");
    let link = format!("{LOGIN}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n");
    let guard = "protection.cross_site";
    let cases = [
        ("GET", API, "/tasks.delete", evil.as_str(), guard),
        ("GET", API, "/tasks.delete", &own, ""),
        ("GET", API, "/tasks.delete", LOGIN, ""),
        ("GET", API, "/tasks.delete", "Origin: https://evil.example\r\n", ""),
        ("OPTIONS", API, "/tasks.delete", &evil, ""),
        ("GET", API, "/tasks.delete", &link, guard),
        ("GET", FILES, "/a", &link, ""),
        ("DELETE", FILES, "/a", &link, guard),
        ("GET", APP, "/", &evil, ""),
        ("GET", APP, "/api/tasks.delete", &evil, guard),
        // Through ClearML's web server, which decodes before it looks.
        ("GET", APP, "/%61pi/tasks.delete", &evil, guard),
    ];
    check_all("", &cases);
    check_all("protection.cross_site.refuse: false", &[("GET", API, "/tasks.delete", &evil, "")]);
    let narrow = "protection.cross_site { file_links: false, allowed_pages: [\"https://evil.example\"] }";
    check_all(narrow, &[("GET", API, "/tasks.delete", &evil, ""), ("GET", FILES, "/a", &link, guard)]);
}

#[test]
fn removal_is_judged_as_on_the_way_to_the_files() {
    let rule = "protection.files.refuse_removal";
    let cases = [
        ("DELETE", FILES, "/a", "", rule),
        ("POST", FILES, "/delete_many", "", rule),
        ("POST", FILES, "/%64elete_many", "", rule),
        ("POST", FILES, "/", "", ""),
        ("GET", FILES, "/a", "", ""),
        ("POST", APP, "/files/delete_many", "", rule),
        ("POST", APP, "/file%73/delete_many", "", rule),
        ("DELETE", API, "/a", "", ""),
    ];
    check_all("protection.files.refuse_removal: true", &cases);
    let others = cases.map(|(method, host, path, lines, _)| (method, host, path, lines, ""));
    check_all("", &others);
    check_all("protection.files { refuse_removal: true, removal_from: [\"127.0.0.0/8\"] }", &others);
    check_all("protection.files { refuse_removal: true, removal_from: [\"10.0.0.0/8\"] }", &cases);
}

#[test]
fn a_missing_token_is_refused_as_by_the_gate() {
    let rule = "protection.token_gate";
    let cases = [
        ("GET", FILES, "/a", "", rule),
        ("POST", FILES, "/", "", rule),
        ("GET", FILES, "/", "", ""),
        ("OPTIONS", FILES, "/a", "", ""),
        ("GET", FILES, "/a", "Authorization: Basic Z29vZA==\r\nCookie: clearml_token_basic=a.b.c\r\n", rule),
        ("GET", FILES, "/a", "Cookie: clearml_token_basic=none\r\n", rule),
        ("GET", APP, "/files/a", "", rule),
        ("GET", API, "/a", "", ""),
    ];
    check_all("protection.token_gate.enabled: true", &cases);
}

#[test]
fn what_depends_on_others_is_said_to_depend() {
    let origin = Origin::ok();
    let conf = "protection { token_gate.enabled: true, logins { user_failures: 7, delay: \"2s\" } }";
    let proxy = Run::to(&origin).conf(conf).start();
    let basic = "Authorization: Basic am9objp4\r\n";
    let key = "Authorization: Basic R0dTOUY0TTZYQjJEWEo1QUZUOUY6eA==\r\n";
    for (host, path, lines, rule, status, words) in [
        (
            FILES,
            "/a",
            "Authorization: Bearer a.b.c\r\n",
            "protection.token_gate",
            401,
            &["get_current_user", "503"][..],
        ),
        (FILES, "/a", "Cookie: clearml_token_basic=a.b.c\r\n", "protection.token_gate", 401, &["clearml_token_basic"]),
        (API, "/auth.login", "", "protection.logins", 429, &["a login of nobody", "50 failures"]),
        (API, "/users.get_all", basic, "protection.logins", 429, &["\"john\"", "7 failures", "up to 2s"]),
        (APP, "/api/auth.login", key, "protection.logins", 429, &["access key"]),
    ] {
        let told = told(&proxy, "GET", host, path, lines);
        let check = told["checks"].as_array().unwrap().iter().find(|check| check["rule"] == rule).unwrap();
        assert_eq!((check["said"].as_str(), check["status"].as_u64()), (Some("depends"), Some(status)), "{told:#}");
        assert!(words.iter().all(|word| check["why"].as_str().unwrap().contains(word)), "{told:#}");
        assert_eq!(told["end"]["kind"], "forwarded", "{told:#}");
    }
    let told = told(&proxy, "GET", API, "/users.get_all", "Authorization: Bearer a.b.c\r\n");
    assert!(!told["checks"].to_string().contains("logins"), "no login is tried: {told:#}");
}
