//! Certificates while the proxy runs: broken files, leaves that are signed here, and how their end is said.

use crate::support::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, GeneralSubtree, IsCa, KeyPair, NameConstraints,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const NAMES: [&str; 3] = [APP, API, FILES];

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The leaf that a new connection is shown.
fn leaf(proxy: &Proxy) -> Vec<u8> {
    Client::https(proxy).session().peer_certificates().unwrap()[0].to_vec()
}

fn status(proxy: &Proxy) -> Value {
    let (code, out, err) = proxy.command(&["status", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

/// What is put in the place of a file.
enum Instead {
    Bytes(Vec<u8>),
    Folder,
    Pipe,
    Loop,
}

fn put(file: &Path, instead: &Instead) {
    let _gone = fs::remove_file(file);
    let _gone = fs::remove_dir(file);
    match instead {
        Instead::Bytes(bytes) => fs::write(file, bytes).unwrap(),
        Instead::Folder => fs::create_dir(file).unwrap(),
        Instead::Pipe => assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success()),
        Instead::Loop => std::os::unix::fs::symlink(file, file).unwrap(),
    }
}

fn section(label: &str) -> Vec<u8> {
    format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n").into_bytes()
}

#[test]
fn no_broken_file_takes_a_working_certificate_away_and_each_is_explained() {
    use Instead::{Bytes, Folder, Loop, Pipe};
    let origin = Origin::ok();
    let good = Pki::shared().issue(&NAMES);
    let lines = "reload { watch: false }\nlog.filter: \"info,clearway::app=debug\"";
    let mut proxy = Run::to(&origin).certificates(&[&good]).conf(lines).start();
    let files = ["site0.pem", "site0.key"].map(|name| proxy.folder().join(name));
    let mut client = Client::https(&proxy);
    let text = |text: &str| Bytes(text.as_bytes().to_vec());
    let utf16 = good.chain.encode_utf16().flat_map(u16::to_le_bytes);
    let utf16 = [0xff, 0xfe].into_iter().chain(utf16).collect::<Vec<_>>();
    let pkcs12 = b"\x30\x82\x09\x11\x02\x01\x03\x30\x82".to_vec();
    let (chain, key) = (0, 1);
    let mut number = 0;
    for (at, instead, said, hint) in [
        (chain, text(&good.chain[..good.chain.len() / 3]), "not well-formed PEM", "copy the file again"),
        (chain, Bytes(good.der.to_vec()), "it is DER", "openssl x509 -inform der"),
        (chain, Bytes(pkcs12.clone()), "it is PKCS#12", "openssl pkcs12 -nokeys"),
        (chain, Bytes(section("PKCS7")), "it has PKCS#7", "openssl pkcs7"),
        (chain, Bytes(section("CERTIFICATE REQUEST")), "request", "authority made"),
        (chain, Bytes(section("CERTIFICATE")), "not an X.509 certificate", "copy the file again"),
        (chain, text(&good.key), "it has a private key", "as `chain`"),
        (chain, Bytes(utf16), "UTF-16", "plain text"),
        (chain, Bytes(vec![b'x'; 1024 * 1024]), "no PEM certificate", "PEM file"),
        (chain, Bytes(vec![b'x'; 1024 * 1024 + 1]), "over 1 MiB", "alone"),
        (chain, text(""), "no PEM certificate", "PEM file"),
        (chain, Folder, "it is a folder", "user that runs"),
        (chain, Pipe, "it is a pipe", "user that runs"),
        (chain, Loop, "cannot be read", "user that runs"),
        (key, text(&good.key[..good.key.len() / 2]), "not well-formed PEM", "copy the file again"),
        (key, text(&good.chain), "it has a certificate", "as `key`"),
        (key, Bytes(section("ENCRYPTED PRIVATE KEY")), "passphrase", "openssl pkey"),
        (key, Bytes(section("PRIVATE KEY")), "broken or of an unknown kind", "P-256"),
        (key, Bytes(pkcs12), "it is PKCS#12", "-nocerts"),
        (key, Pipe, "it is a pipe", "user that runs"),
        (key, text(&Pki::shared().issue(&NAMES).key), "does not belong", "requested with"),
    ] {
        put(&files[chain], &text(&good.chain));
        put(&files[key], &text(&good.key));
        put(&files[at], &instead);
        number += 1;
        assert!(!proxy.reload(number), "{said}");
        let view = status(&proxy);
        let problem = &view["last_reload"]["problems"][0];
        assert!(problem["problem"].as_str().unwrap().contains(said), "{said}: {problem}");
        assert!(problem["problem"].as_str().unwrap().contains("site0."), "{problem}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{hint}: {problem}");
        assert!(view["alarms"][0].as_str().unwrap().contains("was refused"), "{view}");
        let event =
            proxy.events().json().into_iter().rfind(|event| event["message"] == "problem in the new configuration");
        assert_eq!(&event.unwrap()["problem"], &problem["problem"], "the log says the same");
        assert_eq!(leaf(&proxy), good.der.to_vec(), "{said}");
    }
    assert_eq!(client.get(API, "/").status, 200, "the connection of before has gone through all of it");
    assert!(proxy.stop().success());
    let refused = "clearway_certificates_refused_total";
    for (reason, count) in [("unreadable", 5), ("malformed", 13), ("\"key\"", 2), ("key_mismatch", 1), ("dates", 0)] {
        assert_eq!(proxy.counted_with(refused, reason), count, "{reason}");
    }
}

#[test]
fn order_line_ends_marks_and_doubles_do_no_harm() {
    let origin = Origin::ok();
    let first = Pki::shared().issue(&NAMES);
    let proxy = Run::to(&origin).certificates(&[&first]).conf("reload { watch: false }").start();
    let (mut number, ca) = (0, Pki::shared().ca());
    for shape in ["order", "crlf", "mark", "twice", "words"] {
        let next = Pki::shared().issue(&NAMES);
        let alone = next.chain.strip_suffix(ca).unwrap();
        let text = match shape {
            "order" => format!("{ca}{alone}"),
            "crlf" => next.chain.replace('\n', "\r\n"),
            "mark" => format!("\u{feff}{}", next.chain),
            "twice" => format!("{alone}{alone}{ca}{ca}"),
            _ => format!("subject=CN = x\n{alone}issuer=CN = y\n{ca}"),
        };
        fs::write(proxy.folder().join("site0.pem"), text).unwrap();
        fs::write(
            proxy.folder().join("site0.key"),
            next.key.replace('\n', if shape == "crlf" { "\r\n" } else { "\n" }),
        )
        .unwrap();
        number += 1;
        assert!(proxy.reload(number), "{shape}");
        assert_eq!(leaf(&proxy), next.der.to_vec(), "{shape}");
    }
    let said = proxy.events().text();
    assert!(said.contains("was not in order") && said.contains("is in the file twice"), "{said}");
}

/// A proxy whose certificates are signed here.
fn signed_here(origin: &Origin) -> Run {
    Run::to(origin).certificates(&[])
}

fn local_ca(proxy: &Proxy) -> PathBuf {
    proxy.folder().join("certs/local").join("clearml.test").join("ca.pem")
}

#[test]
fn leaves_are_replaced_while_an_upload_runs() {
    let origin = Origin::ok();
    let mut proxy =
        signed_here(&origin).conf("local_ca.leaf_life: 10s\nlog.filter: \"info,clearway::app=debug\"").start();
    let connect =
        || Client::tls(proxy.https(), FILES, Pki::client_trusting_file(&local_ca(&proxy), &["http/1.1"])).unwrap();
    let leaf = |client: &Client| client.session().peer_certificates().unwrap()[0].to_vec();
    let mut upload = connect();
    upload.send(format!("POST /up HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 10\r\n\r\n12345"));
    let replaced = |event: &Value| event["message"] == "a certificate was replaced before its end";
    for count in 1..=2 {
        proxy.events().wait_times("a new leaf", count, replaced);
    }
    let mut later = connect();
    assert_ne!(leaf(&later), leaf(&upload));
    assert_eq!(later.get(API, "/").status, 200);
    assert_eq!(upload.send("67890").answer().status, 200);
    assert!(origin.requests().iter().any(|request| request.body == b"1234567890"));
    assert!(proxy.stop().success());
    assert!(proxy.counted("clearway_certificates_renewed_total") >= 2);
}

#[test]
fn a_leaf_that_cannot_be_replaced_is_served_on_and_said_so() {
    let origin = Origin::ok();
    let lines = "local_ca.leaf_life: 10s\nlog.filter: \"info,clearway::app=debug\"";
    let mut proxy = signed_here(&origin).conf(lines).start();
    let mut client =
        Client::tls(proxy.https(), API, Pki::client_trusting_file(&local_ca(&proxy), &["http/1.1"])).unwrap();
    fs::remove_file(local_ca(&proxy).with_file_name("ca.key")).unwrap();
    let failed = |event: &Value| {
        event["message"] == "certificate" && event["warning"].as_str().is_some_and(|why| why.contains("key is missing"))
    };
    proxy.events().wait("why it failed", failed);
    assert_eq!(client.get(API, "/").status, 200);
    assert!(proxy.stop().success());
    assert!(proxy.counted("clearway_certificate_renewals_failed_total") >= 1);
    assert_eq!(proxy.counted("clearway_certificates_renewed_total"), 0);
}

fn authority(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

#[test]
fn an_authority_of_yours_signs_instead_with_its_chain_and_mistakes_are_refused() {
    let root = CertifiedIssuer::self_signed(authority("Corp root"), KeyPair::generate().unwrap()).unwrap();
    let middle = CertifiedIssuer::signed_by(authority("Corp issuing"), KeyPair::generate().unwrap(), &root).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [ca, key, trust] = ["ca.pem", "ca.key", "root.pem"].map(|name| folder.path().join(name));
    fs::write(&ca, middle.pem() + &root.pem()).unwrap();
    fs::write(&key, middle.key().serialize_pem()).unwrap();
    fs::write(&trust, root.pem()).unwrap();
    let origin = Origin::ok();
    let lines = format!("local_ca {{ certificate: {ca:?}, key: {key:?} }}\nreload {{ watch: false }}");
    let proxy = signed_here(&origin).conf(&lines).start();
    let connect = || Client::tls(proxy.https(), API, Pki::client_trusting_file(&trust, &["http/1.1"])).unwrap();
    let client = connect();
    let shown = client.session().peer_certificates().unwrap().to_vec();
    assert_eq!(shown.len(), 2, "the leaf and its issuer, without the root");
    assert_eq!(shown[1].to_vec(), middle.der().to_vec());
    assert!(!proxy.folder().join("certs/local").exists(), "no other authority is made");

    let mut constrained = authority("Other corp");
    let subtree = GeneralSubtree::DnsName(String::from("other.corp"));
    constrained.name_constraints =
        Some(NameConstraints { permitted_subtrees: vec![subtree], excluded_subtrees: Vec::new() });
    let constrained = CertifiedIssuer::self_signed(constrained, KeyPair::generate().unwrap()).unwrap();
    let mut over = authority("Old corp");
    over.not_after = rcgen::date_time_ymd(2024, 1, 1);
    let over = CertifiedIssuer::self_signed(over, KeyPair::generate().unwrap()).unwrap();
    let plain = Pki::shared().issue(&NAMES);
    let alone = plain.chain.strip_suffix(Pki::shared().ca()).unwrap().to_owned();
    let mut number = 0;
    for (certificate, own, said) in [
        (constrained.pem(), constrained.key().serialize_pem(), "may not issue for app.clearml.test"),
        (over.pem(), over.key().serialize_pem(), "expired on 2024-01-01"),
        (alone, plain.key, "is no certificate authority"),
        (middle.pem(), root.key().serialize_pem(), "key does not belong to the authority"),
        (middle.pem() + &middle.key().serialize_pem(), middle.key().serialize_pem(), "has its key as well"),
        (String::from("nothing"), middle.key().serialize_pem(), "no PEM certificate"),
    ] {
        fs::write(&ca, certificate).unwrap();
        fs::write(&key, own).unwrap();
        number += 1;
        assert!(!proxy.reload(number), "{said}");
        let view = status(&proxy);
        let problem = &view["last_reload"]["problems"][0];
        assert!(problem["problem"].as_str().unwrap().contains(said), "{said}: {problem}");
        assert!(!problem["hint"].as_str().unwrap().is_empty());
        assert_eq!(connect().session().peer_certificates().unwrap().to_vec(), shown, "{said}");
    }
}

#[test]
fn a_new_name_leaves_the_authority_that_clients_trust_as_it_is() {
    let origin = Origin::ok();
    let hosts = |files: &str| format!("hosts {{ app: \"ml.test\", api: \"ml-api.test\", files: \"{files}\" }}");
    let proxy = signed_here(&origin).conf("reload { watch: false }").conf(&hosts("ml-files.test")).start();
    let ca = proxy.folder().join("certs/local/ml.test/ca.pem");
    let before = fs::read(&ca).unwrap();
    proxy.edit(|conf| conf.replace("ml-files.test", "ml-store.test"));
    assert!(proxy.reload(1));
    assert_eq!(fs::read(&ca).unwrap(), before);
    let second = proxy.folder().join("certs/local/ml-store.test/ca.pem");
    for (name, trust) in [("ml.test", &ca), ("ml-api.test", &ca), ("ml-store.test", &second)] {
        let client = Client::tls(proxy.https(), name, Pki::client_trusting_file(trust, &["http/1.1"]));
        assert!(client.is_ok(), "{name}: {:?}", client.err());
    }
}

/// The events that speak of an end at so many days.
fn said(proxy: &Proxy, days: u64) -> usize {
    let is = |event: &Value| event["message"] == "a certificate ends soon; renew it" && event["days"] == days;
    proxy.events().json().iter().filter(|event| is(event)).count()
}

#[test]
fn the_end_of_a_certificate_is_said_at_each_step_once_whatever_is_reloaded() {
    let origin = Origin::ok();
    let soon = Pki::shared().issue_until(&NAMES, SystemTime::now() + 7 * DAY + Duration::from_secs(4));
    let proxy = Run::to(&origin).certificates(&[&soon]).conf("reload { watch: false }").start();
    let is = |days: u64| {
        move |event: &Value| event["message"] == "a certificate ends soon; renew it" && event["days"] == days
    };
    let event = proxy.events().wait("the step of a week", is(7));
    assert!(event["file"].as_str().unwrap().ends_with("site0.pem") && event["names"].as_str().unwrap().contains(API));
    assert!(said(&proxy, 14) <= 1, "said at the start, unless that took too long");
    let later = Pki::shared().issue_until(&["other.test"], SystemTime::now() + DAY / 2);
    fs::write(proxy.folder().join("later.pem"), &later.chain).unwrap();
    fs::write(proxy.folder().join("later.key"), &later.key).unwrap();
    assert!(proxy.reload(1));
    proxy.edit(|conf| {
        conf.replacen("certificates: [", "certificates: [ { chain: \"later.pem\", key: \"later.key\" }", 1)
    });
    assert!(proxy.reload(2));
    // The same look that says this one would repeat the other.
    proxy.events().wait("the step of a day", is(1));
    assert_eq!((said(&proxy, 30), said(&proxy, 7), said(&proxy, 1)), (0, 1, 1));
    let view = status(&proxy);
    let alarms = view["alarms"].as_array().unwrap().iter().map(|alarm| alarm.as_str().unwrap()).collect::<Vec<_>>();
    assert!(alarms.iter().any(|alarm| alarm.contains("site0.pem expires in 6 days")), "{alarms:?}");
    assert!(alarms.iter().any(|alarm| alarm.contains("later.pem expires in 0 days")), "{alarms:?}");
}

#[test]
fn the_days_that_are_left_are_in_the_status() {
    let origin = Origin::ok();
    let [near, far] =
        [100, 200].map(|days| Pki::shared().issue_until(&NAMES, SystemTime::now() + days * DAY + DAY / 2));
    let proxy = Run::to(&origin).certificates(&[&far, &near]).start();
    assert_eq!(status(&proxy)["certificates"][1]["days_left"], 100);
    assert_eq!(status(&proxy)["certificates"][0]["days_left"], 200);
}
