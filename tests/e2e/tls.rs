//! TLS: versions, certificates by name, resumption, and plain HTTP that came to the wrong port.

use crate::support::*;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use std::sync::Arc;

fn connect(proxy: &Proxy, name: &str, config: ClientConfig) -> Client {
    Client::tls(proxy.https(), name, config).unwrap()
}

/// The leaf that a handshake with `name` shows.
fn leaf(proxy: &Proxy, name: &str) -> Vec<u8> {
    let mut client = connect(proxy, name, Pki::shared().client(&["http/1.1"]));
    assert_eq!(client.get(APP, "/").status, 200);
    client.session().peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn speaks_1_2_and_1_3_with_both_http_versions() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        for alpn in ["http/1.1", "h2"] {
            let client = connect(&proxy, API, Pki::shared().client_of(provider(), &[version], &[alpn]));
            assert_eq!(client.session().protocol_version(), Some(expected));
            assert_eq!(client.session().alpn_protocol(), Some(alpn.as_bytes()));
        }
        let mut client = connect(&proxy, API, Pki::shared().client_of(provider(), &[version], &["http/1.1"]));
        let answer = client.get(API, "/");
        assert_eq!(proxy.record(&answer)["tls"], expected.as_str().unwrap().replace("TLSv1_", "TLSv1."));
    }
}

#[test]
fn h2_is_preferred_and_no_alpn_means_http_1_1() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let client = connect(&proxy, API, Pki::shared().client(&["http/1.1", "h2"]));
    assert_eq!(client.session().alpn_protocol(), Some(b"h2".as_slice()));
    let mut client = connect(&proxy, API, Pki::shared().client(&[]));
    assert_eq!(client.session().alpn_protocol(), None);
    client.assert_open();
}

#[test]
fn an_alpn_of_others_only_is_not_served() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    assert!(Client::tls(proxy.https(), API, Pki::shared().client(&["smtp"])).is_err());
}

/// A ClientHello without extensions, offering `version` at most and suites of its time.
fn old_hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = vec![version[0], version[1]];
    body.extend([7; 32]);
    body.push(0);
    let suites = [0xC0, 0x13, 0xC0, 0x09, 0x00, 0x2F, 0x00, 0x0A];
    body.extend([0, u8::try_from(suites.len()).unwrap()]);
    body.extend(suites);
    body.extend([1, 0]);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    let mut record = vec![0x16, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

#[test]
fn refuses_1_1_and_older_with_an_alert() {
    let refusing = Refusing::start();
    for version in [[3, 0], [3, 1], [3, 2], [3, 3]] {
        let mut client = Client::tcp(refusing.proxy.https());
        client.send(old_hello(version));
        let rest = client.rest();
        // A fatal alert; also for 1.2 with nothing but CBC suites.
        assert!(rest.is_empty() || rest.starts_with(&[0x15]), "{version:?}: {rest:02x?}");
    }
    refusing.nothing_passed();
}

#[test]
fn broken_handshakes_leave_the_listener_alone() {
    let refusing = Refusing::start();
    for bytes in [
        b"\x16\x03\x01\xff\xff\xff\xff\xff".as_slice(),
        b"\x16\x03\x01\x00\x05hello",
        b"\x80\x2e\x01\x00\x02",
        b"\0\0\0\0",
        b"SSH-2.0-x\r\n",
    ] {
        let mut client = Client::tcp(refusing.proxy.https());
        let _closed = client.try_send(bytes);
        client.finish_sending();
        let rest = client.rest();
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{}", rest.escape_ascii());
    }
    for _ in 0..50 {
        Client::tcp(refusing.proxy.https()).reset();
    }
    refusing.nothing_passed();
}

#[test]
fn the_post_quantum_exchange_is_used_where_offered() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let groups = |groups| Arc::new(rustls::crypto::CryptoProvider { kx_groups: groups, ..(*provider()).clone() });
    for (offered, chosen) in [
        (vec![kx_group::X25519MLKEM768], rustls::NamedGroup::X25519MLKEM768),
        (vec![kx_group::X25519MLKEM768, kx_group::X25519], rustls::NamedGroup::X25519MLKEM768),
        (vec![kx_group::X25519], rustls::NamedGroup::X25519),
    ] {
        let config = Pki::shared().client_of(groups(offered), &[&TLS13], &["http/1.1"]);
        let client = connect(&proxy, API, config);
        assert_eq!(client.session().negotiated_key_exchange_group().unwrap().name(), chosen);
    }
}

#[test]
fn sessions_are_resumed_and_never_early() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    for version in [&TLS12, &TLS13] {
        let mut config = Pki::shared().client_of(provider(), &[version], &["http/1.1"]);
        config.resumption = Resumption::in_memory_sessions(16);
        config.enable_early_data = true;
        let config = Arc::new(config);
        let mut first = Client::tls_shared(proxy.https(), API, Arc::clone(&config)).unwrap();
        assert_eq!(first.get(API, "/").status, 200);
        assert_ne!(first.session().handshake_kind(), Some(HandshakeKind::Resumed));
        let mut second = Client::tls_shared(proxy.https(), API, config).unwrap();
        assert_eq!(second.get(API, "/").status, 200);
        assert_eq!(second.session().handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        assert!(!second.session().is_early_data_accepted(), "a replayed GET would do its work twice");
    }
}

#[test]
fn certificates_are_chosen_by_name_exact_before_wildcard() {
    let origin = Origin::ok();
    let pki = Pki::shared();
    let site = pki.issue(&[APP, API, FILES]);
    let wildcard = pki.issue(&["*.ml.corp"]);
    let exact = pki.issue(&["api.ml.corp"]);
    let run = Run::to(&origin).domain("[\"clearml.test\", \"ml.corp\"]").certificates(&[&site, &wildcard, &exact]);
    let proxy = run.start();
    for (name, expected) in
        [(APP, &site), ("files.ml.corp", &wildcard), ("api.ml.corp", &exact), ("API.ML.corp", &exact)]
    {
        assert!(leaf(&proxy, name) == expected.der.to_vec(), "{name}");
    }
}

#[test]
fn a_client_without_name_gets_the_default_certificate() {
    let origin = Origin::ok();
    let pki = Pki::shared();
    let site = pki.issue(&[APP, API, FILES, "127.0.0.1"]);
    let other = pki.issue(&["*.ml.corp"]);
    let proxy = Run::to(&origin).domain("[\"clearml.test\", \"ml.corp\"]").certificates(&[&site, &other]).start();
    // An address is never sent as SNI.
    let mut client = connect(&proxy, "127.0.0.1", pki.client(&["http/1.1"]));
    assert!(client.session().peer_certificates().unwrap()[0] == site.der);
    assert_eq!(client.get(API, "/").status, 200);
}

#[test]
fn an_unknown_name_gets_the_default_certificate_or_an_alert() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    // Either way the client fails: no certificate of ours names that host.
    assert!(Client::tls(proxy.https(), "www.example.com", Pki::shared().client(&["http/1.1"])).is_err());
    Client::https(&proxy).assert_open();
}

#[test]
fn a_host_other_than_the_sni_is_served_where_the_certificate_covers_it() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = connect(&proxy, FILES, Pki::shared().client(&["http/1.1"]));
    for host in [APP, API, FILES] {
        assert_eq!(client.get(host, "/").status, 200, "{host}");
    }
}

#[test]
fn plain_http_on_the_tls_port_gets_a_400_that_names_the_url() {
    let refusing = Refusing::start();
    let port = refusing.proxy.https().port();
    for (host, path) in [(APP, "/projects?x=1"), (API, "/v2.23/auth.login"), (FILES, "/a/b")] {
        let mut client = Client::tcp(refusing.proxy.https());
        let answer = client.send(get(host, path)).answer();
        answer.assert_fault(400, "client; plain_http_on_tls_port");
        let url = format!("https://{host}:{port}");
        assert!(answer.text().contains(&url), "no {url} in {}", answer.text());
        assert_eq!(answer.field("connection").to_ascii_lowercase(), "close");
        client.end();
    }
    refusing.nothing_passed();
}

#[test]
fn plain_http_from_strangers_is_not_echoed() {
    let refusing = Refusing::start();
    for bytes in [
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "PUT /x HTTP/1.1\r\nHost: <b>\r\n\r\n",
    ] {
        let mut client = Client::tcp(refusing.proxy.https());
        let answer = client.send(bytes).answer();
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert!(!answer.text().contains("https://evil") && !answer.text().contains("<b>"), "{}", answer.text());
        client.end();
    }
    refusing.nothing_passed();
}

#[test]
fn a_plain_upload_to_the_tls_port_gets_its_answer() {
    let refusing = Refusing::start();
    let mut client = Client::tcp(refusing.proxy.https());
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 4000000\r\n\r\n"));
    let _closed = client.try_send(pattern(4_000_000));
    client.answer().assert_fault(400, "client; plain_http_on_tls_port");
    refusing.nothing_passed();
}

#[test]
fn a_certificate_that_does_not_fit_stops_the_start() {
    let pki = Pki::shared();
    let good = pki.issue(&[APP, API, FILES]);
    let other = pki.issue(&[APP, API, FILES]);
    for (name, leaf) in [
        ("key of another", Leaf { key: other.key, ..good.clone() }),
        ("no certificate", Leaf { chain: "hello".into(), ..good.clone() }),
        ("no key", Leaf { key: String::new(), ..good }),
    ] {
        let origin = Origin::ok();
        let ended = Run::to(&origin).certificates(&[&leaf]).fail();
        assert!(!ended.status.success(), "{name}");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
        assert!(said.contains("site0."), "{name}: the file is named in\n{said}");
        assert!(!said.contains("PRIVATE KEY"), "{name}: no key is shown");
    }
}
