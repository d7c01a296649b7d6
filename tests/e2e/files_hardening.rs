//! Files hardening: stored pages without rights, and removal refused.

use crate::support::*;

const SANDBOX: &str = "sandbox allow-scripts allow-popups";

fn serving(fields: &str) -> Origin {
    Origin::answering(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"))
}

#[test]
fn files_are_what_they_are_said_to_be_and_pages_among_them_run_in_a_sandbox() {
    for (fields, policies) in [
        ("Content-Type: text/html; charset=utf-8\r\n", &[SANDBOX][..]),
        ("Content-Type: IMAGE/SVG+xml\r\n", &[SANDBOX]),
        ("Content-Type: application/xhtml+xml\r\n", &[SANDBOX]),
        (
            "Content-Type: text/html\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n",
            &["sandbox"],
        ),
        ("Content-Type: text/html\r\nContent-Security-Policy: img-src *\r\n", &["img-src *", SANDBOX]),
        ("Content-Type: image/png\r\n", &[]),
        ("", &[]),
    ] {
        let origin = serving(fields);
        let proxy = Proxy::to(&origin);
        let mut client = Client::https(&proxy);
        let answer = client.get(FILES, "/a");
        assert_eq!(answer.field("x-content-type-options"), "nosniff", "{fields}");
        assert_eq!(answer.fields.all("content-security-policy"), policies, "{fields}");
        if !fields.contains("Options") {
            assert!(
                !client.get(API, "/a").fields.all("content-security-policy").contains(&SANDBOX.to_owned()),
                "{fields}"
            );
        }
    }
}

#[test]
fn the_sandbox_can_be_turned_off() {
    let origin = serving("Content-Type: text/html\r\n");
    let proxy = Run::to(&origin).conf("protection.files.sandbox: false").start();
    let answer = Client::https(&proxy).get(FILES, "/a");
    assert!(!answer.has("content-security-policy") && answer.has("x-content-type-options"), "{}", answer.fields);
}

#[test]
fn removal_is_refused_in_every_spelling_and_uploads_pass() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("protection.files.refuse_removal: true").start();
    let mut client = Client::https(&proxy);
    let refused = [
        ("DELETE", "/a"),
        ("delete", "/a"),
        ("POST", "/delete_many"),
        ("POST", "//delete_many"),
        ("POST", "/%64elete_many"),
    ];
    for (method, path) in refused {
        let answer =
            client.send(format!("{method} {path} HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 2\r\n\r\n{{}}")).answer();
        answer.assert_fault(403, "client; removal_refused");
        assert!(answer.text().contains("protection.files.removal_from"), "{}", answer.text());
    }
    assert!(origin.requests().is_empty());
    assert_eq!(client.send(post(FILES, "/", "x")).answer().status, 200);
    assert_eq!(client.get(FILES, "/delete_many").status, 200);
    assert_eq!(client.send(post(API, "/delete_many", "x")).answer().status, 200);
}

#[test]
fn removal_is_for_listed_networks_and_by_default_for_all() {
    let origin = Origin::ok();
    let delete = format!("DELETE /a HTTP/1.1\r\nHost: {FILES}\r\n\r\n");
    assert_eq!(Client::https(&Proxy::to(&origin)).send(&delete).answer().status, 200);
    for (networks, status) in [("127.0.0.0/8", 200), ("10.0.0.0/8", 403)] {
        let conf = format!("protection.files {{ refuse_removal: true, removal_from: [\"{networks}\"] }}");
        let proxy = Run::to(&origin).conf(&conf).start();
        assert_eq!(Client::https(&proxy).send(&delete).answer().status, status, "{networks}");
    }
}
