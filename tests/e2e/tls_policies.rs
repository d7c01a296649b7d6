//! TLS policies on the wire: which offers of clients are taken, and what is agreed on.

use crate::support::*;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, kx_group as group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};
use std::process::{Command, Stdio};
use std::sync::Arc;

type Versions = &'static [&'static SupportedProtocolVersion];
type Group = &'static dyn SupportedKxGroup;

static ONLY_12: [&SupportedProtocolVersion; 1] = [&TLS12];
static ONLY_13: [&SupportedProtocolVersion; 1] = [&TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

const ALL_13: [SupportedCipherSuite; 3] =
    [suite::TLS13_CHACHA20_POLY1305_SHA256, suite::TLS13_AES_256_GCM_SHA384, suite::TLS13_AES_128_GCM_SHA256];
const ALL_12: [SupportedCipherSuite; 3] = [
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
];

fn with_policy(origin: &Origin, policy: &str) -> Proxy {
    Run::to(origin).conf(&format!("tls.policy: {policy}\nlog.filter: debug")).start()
}

/// What a client with this offer agrees on; `None` where it is refused.
fn offer(
    proxy: &Proxy,
    versions: Versions,
    suites: &[SupportedCipherSuite],
    groups: &[Group],
) -> Option<(CipherSuite, NamedGroup)> {
    let cipher_suites = suites.iter().copied().filter(|suite| versions.contains(&suite.version())).collect();
    let provider = CryptoProvider { cipher_suites, kx_groups: groups.to_vec(), ..(*provider()).clone() };
    let config = Pki::shared().client_of(Arc::new(provider), versions, &["http/1.1"]);
    let mut client = Client::tls(proxy.https(), API, config).ok()?;
    assert_eq!(client.get(API, "/").status, 200);
    let session = client.session();
    let group = session.negotiated_key_exchange_group().unwrap().name();
    Some((session.negotiated_cipher_suite().unwrap().suite(), group))
}

#[test]
fn each_policy_takes_what_the_page_says() {
    let origin = Origin::ok();
    let [modern, default, compatible] = ["modern", "default", "compatible"].map(|policy| with_policy(&origin, policy));
    let all = [&ALL_13[..], &ALL_12].concat();
    let usual: &[Group] = &[group::X25519MLKEM768, group::X25519, group::SECP256R1, group::SECP384R1];
    let aes = CipherSuite::TLS13_AES_128_GCM_SHA256;
    let aes_12 = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let hybrid = NamedGroup::X25519MLKEM768;
    // The client's own order of suites is turned round: ours counts. Of the groups, its first.
    for (versions, suites, groups, agreed) in [
        (&BOTH[..], &all[..], usual, [Some((aes, hybrid)); 3]),
        (&ONLY_13, &all, usual, [Some((aes, hybrid)); 3]),
        (&ONLY_12, &all, &usual[1..], [None, Some((aes_12, NamedGroup::X25519)), Some((aes_12, NamedGroup::X25519))]),
        (&BOTH, &ALL_13[..1], &usual[2..], [Some((ALL_13[0].suite(), NamedGroup::secp256r1)); 3]),
        (&BOTH, &ALL_13[1..2], &usual[3..], [Some((ALL_13[1].suite(), NamedGroup::secp384r1)); 3]),
        (&ONLY_12, &ALL_12[..1], &usual[2..], {
            let agreed = Some((ALL_12[0].suite(), NamedGroup::secp256r1));
            [None, agreed, agreed]
        }),
        (&BOTH, &ALL_12, &usual[1..], [None, Some((aes_12, NamedGroup::X25519)), Some((aes_12, NamedGroup::X25519))]),
        (&BOTH, &all, &[group::SECP256R1MLKEM768], { [None, None, Some((aes, NamedGroup::secp256r1MLKEM768))] }),
        (&BOTH, &all, &[group::MLKEM1024], [None, None, Some((aes, NamedGroup::MLKEM1024))]),
    ] {
        for (proxy, agreed) in [&modern, &default, &compatible].into_iter().zip(agreed) {
            let names = suites.iter().map(SupportedCipherSuite::suite).collect::<Vec<_>>();
            assert_eq!(offer(proxy, versions, suites, groups), agreed, "{names:?} {groups:?}");
        }
    }
}

/// Whether OpenSSL's own client shakes hands with these options.
fn openssl(proxy: &Proxy, options: &[&str]) -> bool {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &proxy.https().to_string(), "-servername", API]).args(options);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().expect("openssl is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success() && !said.contains("Cipher is (NONE)")
}

#[test]
fn openssl_agrees() {
    let origin = Origin::ok();
    let [modern, default, compatible] = ["modern", "default", "compatible"].map(|policy| with_policy(&origin, policy));
    for (options, taken) in [
        (&["-tls1_3"][..], [true, true, true]),
        (&["-tls1_2"], [false, true, true]),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], [false, true, true]),
        // Without a choice that is weak, whatever the policy.
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], [false; 3]),
        (&["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:@SECLEVEL=0"], [false; 3]),
        (&["-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"], [false; 3]),
        (&["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"], [false; 3]),
        (&["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], [false; 3]),
        (&["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"], [false; 3]),
        (&["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"], [false; 3]),
        (&["-groups", "P-521"], [false; 3]),
    ] {
        for (proxy, taken) in [&modern, &default, &compatible].into_iter().zip(taken) {
            assert_eq!(openssl(proxy, options), taken, "{options:?}");
        }
    }
}

#[test]
fn old_clients_are_told_why_in_the_log() {
    let origin = Origin::ok();
    for (policy, options, reason, words) in [
        ("modern", &["-tls1_2"][..], "version", "tls.policy"),
        ("default", &["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"], "version", "tls.policy"),
        ("compatible", &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], "cipher", "tls.policy"),
    ] {
        let mut proxy = with_policy(&origin, policy);
        assert!(!openssl(&proxy, options));
        let event = proxy.event("TLS handshake failed");
        assert_eq!(event["reason"], reason, "{event}");
        assert!(event["hint"].as_str().unwrap().contains(words), "{event}");
        proxy.stop();
        assert_eq!(proxy.counted_with("clearway_tls_handshakes_failed_total", reason), 1);
    }
}

#[test]
fn a_policy_is_changed_by_a_reload() {
    let origin = Origin::ok();
    let proxy = with_policy(&origin, "default");
    let mut open =
        Client::tls(proxy.https(), API, Pki::shared().client_of(provider(), &ONLY_12, &["http/1.1"])).unwrap();
    assert_eq!(open.get(API, "/").status, 200);
    proxy.edit(|conf| conf.replace("tls.policy: default", "tls.policy: modern"));
    assert!(proxy.reload(1));
    assert!(!openssl(&proxy, &["-tls1_2"]) && openssl(&proxy, &["-tls1_3"]));
    assert_eq!(open.get(API, "/").status, 200, "connections that are there go on");
}

#[test]
fn tickets_of_one_process_do_at_another_that_has_the_keys() {
    let origin = Origin::ok();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("tickets");
    std::fs::write(&keys, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n").unwrap();
    let shared = format!("tls.ticket_keys: \"{}\"", keys.display());
    for version in [&ONLY_12, &ONLY_13] {
        let [first, second, stranger] = [&shared, &shared, ""].map(|conf| Run::to(&origin).conf(conf).start());
        let mut config = Pki::shared().client_of(provider(), version, &["http/1.1"]);
        config.resumption = Resumption::in_memory_sessions(16);
        let config = Arc::new(config);
        for (proxy, kind) in
            [(&first, HandshakeKind::Full), (&second, HandshakeKind::Resumed), (&first, HandshakeKind::Resumed)]
        {
            let mut client = Client::tls_shared(proxy.https(), API, Arc::clone(&config)).unwrap();
            let answer = client.get(API, "/");
            assert_eq!(answer.status, 200);
            assert_eq!(client.session().handshake_kind(), Some(kind), "{:?}", version[0]);
        }
        let mut client = Client::tls_shared(stranger.https(), API, config).unwrap();
        assert_eq!(client.get(API, "/").status, 200);
        assert_ne!(client.session().handshake_kind(), Some(HandshakeKind::Resumed));
    }
}
