use super::*;
use crate::tls::Instead;
use crate::tls::tests::{self as pki, DAY, Files, Pair, close, files, host, intermediate, leaf, now, params, root};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use std::fs;
use std::io;
use time::OffsetDateTime;

fn load(chain: &str, key: &str) -> Result<LoadedCertificate, LoadError> {
    load_pair(&files(chain, key).names, now())
}

fn refused(chain: &str, key: &str) -> LoadProblem {
    load(chain, key).unwrap_err().problem
}

/// The leaf's position in the chain that is sent, and so on upwards.
fn sent(loaded: &LoadedCertificate, of: &[&[u8]]) -> Vec<usize> {
    loaded.chain().map(|der| of.iter().position(|candidate| *candidate == der).unwrap()).collect()
}

#[test]
fn loads_a_chain_with_its_key() {
    let root = root("root");
    let middle = intermediate("middle", &root);
    let pair = leaf(&["app.example.com", "*.example.com"], &middle);
    let files = files(&format!("{}{}", pair.pem(), middle.pem()), &pair.key.serialize_pem());
    let loaded = load_pair(&files.names, now()).unwrap();
    let names = loaded.names().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names, ["app.example.com", "*.example.com"]);
    assert_eq!((loaded.not_before(), loaded.not_after()), (now() - 10 * DAY, now() + 80 * DAY));
    assert_eq!(loaded.warnings(), []);
    assert_eq!(loaded.file(), files.names.chain);
    assert_eq!(sent(&loaded, &[pair.certificate.der(), middle.der()]), [0, 1]);
    assert!(!format!("{loaded:?}").contains("key:"));
}

#[test]
fn puts_the_chain_in_order() {
    let root = root("root");
    let (upper, stranger) = (intermediate("upper", &root), pki::root("stranger"));
    let lower = intermediate("lower", &upper);
    let pair = leaf(&["app.example.com"], &lower);
    let key = pair.key.serialize_pem();
    let all: [&[u8]; 4] = [pair.certificate.der(), lower.der(), upper.der(), root.der()];
    let pem = [pair.pem(), lower.pem(), upper.pem(), root.pem()];
    let reordered = vec![CertificateWarning::Reordered];
    for (order, expected, warnings) in [
        (vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![]),
        (vec![0, 1], vec![0, 1], vec![]),
        (vec![3, 2, 1, 0], vec![0, 1, 2, 3], reordered.clone()),
        (vec![2, 0, 1], vec![0, 1, 2], reordered.clone()),
        (vec![0, 2, 1], vec![0, 1, 2], reordered),
    ] {
        let chain = order.iter().map(|index: &usize| pem[*index].as_str()).collect::<String>();
        let loaded = load(&chain, &key).unwrap();
        assert_eq!(sent(&loaded, &all), expected, "{order:?}");
        assert_eq!(loaded.warnings(), warnings, "{order:?}");
    }
    let loaded = load(&format!("{}{}{}", pair.pem(), stranger.pem(), lower.pem()), &key).unwrap();
    assert_eq!(sent(&loaded, &all), [0, 1]);
    let unrelated = CertificateWarning::Unrelated { subject: String::from("CN=stranger") };
    assert!(loaded.warnings().contains(&unrelated), "{:?}", loaded.warnings());
}

#[test]
fn names_the_issuer_that_the_file_lacks() {
    let root = root("the root");
    let middle = intermediate("the middle", &root);
    let pair = leaf(&["app.example.com"], &middle);
    let key = pair.key.serialize_pem();
    let missing = CertificateWarning::MissingIssuer { issuer: String::from("CN=the middle") };
    assert!(missing.to_string().contains("CN=the middle"));
    assert_eq!(load(&pair.pem(), &key).unwrap().warnings(), [missing]);
    match refused(&format!("{}{}", pair.pem(), root.pem()), &key) {
        LoadProblem::WrongIssuer { issuer, .. } => assert_eq!(issuer, "CN=the middle"),
        other => panic!("{other:?}"),
    }
    // The same name is not enough: the signature decides.
    let twin = intermediate("the middle", &root);
    assert!(matches!(refused(&format!("{}{}", pair.pem(), twin.pem()), &key), LoadProblem::WrongIssuer { .. }));
}

#[test]
fn self_signed_leaves_are_let_through_with_a_warning() {
    let key = KeyPair::generate().unwrap();
    let certificate = params("self", &["app.example.com"]).self_signed(&key).unwrap();
    assert_eq!(load(&certificate.pem(), &key.serialize_pem()).unwrap().warnings(), [CertificateWarning::SelfSigned]);
}

#[test]
fn dates_decide() {
    let issuer = root("root");
    let pair = leaf(&["app.example.com"], &issuer);
    let files = files(&format!("{}{}", pair.pem(), issuer.pem()), &pair.key.serialize_pem());
    let at = |at| load_pair(&files.names, at);
    let expired = at(now() + 80 * DAY + Duration::from_secs(1)).unwrap_err();
    assert!(matches!(expired.problem(), LoadProblem::Expired(_)));
    assert!(expired.to_string().contains("2027-04-05"), "{expired}");
    assert!(expired.to_string().contains("chain.pem"), "{expired}");
    let again = |served: &[u8]| load_again(&files.names, now() + 81 * DAY, |leaf| leaf == served);
    let not_after = now() + 80 * DAY;
    assert!(again(pair.certificate.der()).unwrap().warnings().contains(&CertificateWarning::Expired { not_after }));
    assert!(matches!(again(issuer.der()).unwrap_err().problem(), LoadProblem::Expired(_)));
    let early = at(now() - 11 * DAY).unwrap_err();
    assert!(matches!(early.problem(), LoadProblem::NotYetValid { .. }));
    assert!(early.to_string().contains("2027-01-05"), "{early}");
    assert!(early.hint().contains("which says 2027-01-04"), "{}", early.hint());
    let soon = [CertificateWarning::ExpiresSoon { not_after: now() + 80 * DAY }];
    for (days, warnings) in [(50, &[][..]), (51, &soon[..]), (80, &soon[..])] {
        let loaded = at(now() + days * DAY).unwrap();
        let found = loaded.warnings().iter().filter(|w| matches!(w, CertificateWarning::ExpiresSoon { .. }));
        assert!(found.eq(warnings), "{days} days");
    }
}

#[test]
fn issuers_out_of_date_are_a_warning() {
    let mut old = params("old", &[]);
    old.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    old.not_after = OffsetDateTime::from(now() - DAY);
    let old = rcgen::CertifiedIssuer::self_signed(old, KeyPair::generate().unwrap()).unwrap();
    let pair = leaf(&["app.example.com"], &old);
    let loaded = load(&format!("{}{}", pair.pem(), old.pem()), &pair.key.serialize_pem()).unwrap();
    let expected = CertificateWarning::IssuerOutOfDate { subject: String::from("CN=old"), not_after: now() - DAY };
    assert_eq!(loaded.warnings(), [expected]);
}

#[test]
fn refuses_leaves_that_clients_would_refuse() {
    let issuer = root("root");
    let sign = |params: &rcgen::CertificateParams| pki::sign(params, KeyPair::generate().unwrap(), &issuer);
    let nameless = sign(&params("app.example.com", &[]));
    match refused(&nameless.pem(), &nameless.key.serialize_pem()) {
        LoadProblem::NoNames { common_name } => assert_eq!(common_name.as_deref(), Some("app.example.com")),
        other => panic!("{other:?}"),
    }
    let address = sign(&params("leaf", &["192.0.2.1"]));
    assert!(matches!(refused(&address.pem(), &address.key.serialize_pem()), LoadProblem::NoNames { .. }));
    let mut mail = params("leaf", &["app.example.com"]);
    mail.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let mail = sign(&mail);
    assert!(matches!(refused(&mail.pem(), &mail.key.serialize_pem()), LoadProblem::NotForServers));
}

#[test]
fn names_that_match_no_host_are_pointed_out() {
    let pair = leaf(&["app.example.com", "*.*.example.com"], &root("root"));
    let loaded = load(&pair.pem(), &pair.key.serialize_pem()).unwrap();
    assert_eq!(loaded.names(), [NamePattern::Exact(host("app.example.com"))]);
    let ignored = CertificateWarning::IgnoredName { name: String::from("*.*.example.com") };
    assert!(loaded.warnings().contains(&ignored));
}

#[test]
fn refuses_a_key_of_another_certificate() {
    let issuer = root("root");
    let (ours, theirs) = (leaf(&["a.example"], &issuer), leaf(&["b.example"], &issuer));
    let files = files(&ours.pem(), &theirs.key.serialize_pem());
    let error = load_pair(&files.names, now()).unwrap_err();
    assert_eq!(error.file(), files.names.key);
    for part in ["CN=leaf", "chain.pem", "key.pem"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn refuses_broken_files() {
    let pair = leaf(&["a.example"], &root("root"));
    let (pem, key) = (pair.pem(), pair.key.serialize_pem());
    let cut = &pem[..pem.len() / 2];
    let no_base64 = pem.replacen("MII", "M*I", 1);
    let no_x509 = section("CERTIFICATE", b"no certificate");
    let half_der = section("CERTIFICATE", &pair.certificate.der()[..100]);
    let no_key = section("PRIVATE KEY", b"no key");
    let huge = "x".repeat(1024 * 1024 + 1);
    let pkcs8_sealed = section("ENCRYPTED PRIVATE KEY", b"sealed");
    let pkcs1_sealed =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    type Expected = fn(&LoadProblem) -> bool;
    let cases: [(&str, &str, Expected); 13] = [
        ("", &key, |p| matches!(p, LoadProblem::NoCertificate(Instead::Nothing))),
        ("certificate", &key, |p| matches!(p, LoadProblem::NoCertificate(Instead::Nothing))),
        (&key, &key, |p| matches!(p, LoadProblem::NoCertificate(Instead::PrivateKey))),
        (cut, &key, |p| matches!(p, LoadProblem::BrokenPem(_))),
        (&no_base64, &key, |p| matches!(p, LoadProblem::BrokenPem(_))),
        (&no_x509, &key, |p| matches!(p, LoadProblem::NotACertificate(1))),
        (&half_der, &key, |p| matches!(p, LoadProblem::NotACertificate(1))),
        (&huge, &key, |p| matches!(p, LoadProblem::TooLarge)),
        (&pem, "", |p| matches!(p, LoadProblem::NoKey(Instead::Nothing))),
        (&pem, &pem, |p| matches!(p, LoadProblem::NoKey(Instead::Certificate))),
        (&pem, &no_key, |p| matches!(p, LoadProblem::UnsupportedKey(_))),
        (&pem, &pkcs8_sealed, |p| matches!(p, LoadProblem::EncryptedKey)),
        (&pem, pkcs1_sealed, |p| matches!(p, LoadProblem::EncryptedKey)),
    ];
    for (number, (chain, key, expected)) in cases.into_iter().enumerate() {
        let error = load(chain, key).unwrap_err();
        assert!(expected(error.problem()), "case {number}: {error:?}");
        assert!(error.to_string().ends_with(".pem") && !error.hint().is_empty(), "case {number}: {error}");
    }
}

#[test]
fn says_what_was_given_by_mistake() {
    let pair = leaf(&["a.example"], &root("root"));
    let (pem, key) = (pair.pem(), pair.key.serialize_pem());
    let pkcs12 = b"\x30\x82\x09\x11\x02\x01\x03\x30\x82\x08";
    let utf16 = |text: &str| {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect::<Vec<_>>()
    };
    let indented = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>().into_bytes();
    for (bytes, instead, hint) in [
        (pair.certificate.der().to_vec(), Instead::Der, "openssl x509 -inform der"),
        (pkcs12.to_vec(), Instead::Pkcs12, "openssl pkcs12 -nokeys"),
        (section("PKCS7", b"x").into_bytes(), Instead::Pkcs7, "openssl pkcs7 -print_certs"),
        (section("NEW CERTIFICATE REQUEST", b"x").into_bytes(), Instead::Request, "made of the request"),
        (section("TRUSTED CERTIFICATE", b"x").into_bytes(), Instead::TrustedCertificate, "openssl x509 -in"),
        (section("PUBLIC KEY", b"x").into_bytes(), Instead::PublicKey, "chain.pem"),
        (key.clone().into_bytes(), Instead::PrivateKey, "as `chain`"),
        (utf16(&pem), Instead::Utf16, "plain text"),
        (indented(&pem), Instead::Misshapen, "very start"),
        (vec![b'x'; 1024 * 1024], Instead::Nothing, "PEM file"),
    ] {
        let files = files("", &key);
        fs::write(&files.names.chain, bytes).unwrap();
        let error = load_pair(&files.names, now()).unwrap_err();
        assert!(matches!(error.problem(), LoadProblem::NoCertificate(found) if *found == instead), "{error:?}");
        assert!(error.hint().contains(hint), "{}", error.hint());
    }
    for (bytes, instead, hint) in [
        (pair.key.serialize_der(), Instead::Der, "openssl pkey -inform der"),
        (pkcs12.to_vec(), Instead::Pkcs12, "-nocerts"),
        (section("OPENSSH PRIVATE KEY", b"x").into_bytes(), Instead::SshKey, "PKCS#8"),
        (pem.clone().into_bytes(), Instead::Certificate, "as `key`"),
        (utf16(&key), Instead::Utf16, "plain text"),
        (indented(&key), Instead::Misshapen, "very start"),
    ] {
        let files = files(&pem, "");
        fs::write(&files.names.key, bytes).unwrap();
        let error = load_pair(&files.names, now()).unwrap_err();
        assert_eq!(error.file(), files.names.key);
        assert!(matches!(error.problem(), LoadProblem::NoKey(found) if *found == instead), "{error:?}");
        assert!(error.hint().contains(hint), "{}", error.hint());
    }
}

#[test]
fn what_stands_twice_is_pointed_out_and_sent_once() {
    let issuer = root("root");
    let pair = leaf(&["a.example"], &issuer);
    let key = pair.key.serialize_pem();
    let loaded = load(&format!("{0}{0}{1}{1}", pair.pem(), issuer.pem()), &key).unwrap();
    let twice = ["CN=leaf", "CN=root"].map(|name| CertificateWarning::Duplicate { subject: String::from(name) });
    assert_eq!((loaded.chain().count(), loaded.warnings()), (2, &twice[..]));
    let alone = load(&format!("{0}{0}", pair.pem()), &key).unwrap();
    assert!(alone.lacks_issuer() && alone.warnings().contains(&twice[0]), "{:?}", alone.warnings());
}

#[test]
fn weak_keys_and_signatures_are_named() {
    // Made with OpenSSL: nothing here makes them any more.
    let data = |name: &str| fs::read_to_string(format!("tests/data/certificates/{name}")).unwrap();
    let at = now();
    let load = |chain: &str, key: &str| load_pair(&files(&data(chain), &data(key)).names, at);
    match load("rsa1024.pem", "rsa1024.key").unwrap_err().problem {
        LoadProblem::WeakKey(KeyKind::Rsa(1024)) => {}
        other => panic!("{other:?}"),
    }
    let sha1 = load("sha1.pem", "sha1.key").unwrap();
    let algorithm = String::from("SHA-1 with RSA");
    let expected = CertificateWarning::WeakSignature { subject: String::from("CN=app.example.com"), algorithm };
    assert_eq!((sha1.chain().count(), sha1.warnings()), (2, &[expected][..]));
    let weak = load("weak_issuer.pem", "weak_issuer.key").unwrap();
    let expected = CertificateWarning::WeakKey { subject: String::from("CN=weak issuer"), key: KeyKind::Rsa(1024) };
    assert_eq!((weak.chain().count(), weak.warnings()), (2, &[expected][..]));
}

#[test]
fn odd_keys_and_long_lives_are_named() {
    let issuer = root("root");
    for (kind, name) in [(&rcgen::PKCS_ED25519, "Ed25519"), (&rcgen::PKCS_ECDSA_P521_SHA512, "P-521")] {
        let pair = pki::sign(&params("leaf", &["a.example"]), KeyPair::generate_for(kind).unwrap(), &issuer);
        let loaded = load(&format!("{}{}", pair.pem(), issuer.pem()), &pair.key.serialize_pem()).unwrap();
        let expected = CertificateWarning::NotForBrowsers { key: KeyKind::Curve(name) };
        assert_eq!(loaded.warnings(), [expected]);
    }
    let mut long = params("leaf", &["a.example"]);
    for (days, warned) in [(825, false), (826, true)] {
        long.not_after = long.not_before + Duration::from_secs(days * 24 * 3600);
        let pair = pki::sign(&long, KeyPair::generate().unwrap(), &issuer);
        let loaded = load(&pair.pem(), &pair.key.serialize_pem()).unwrap();
        assert_eq!(loaded.warnings().contains(&CertificateWarning::LongLife { days }), warned, "{days}");
    }
}

#[test]
fn chains_that_a_strict_client_refuses_are_named() {
    let root = root("root");
    // Signed by a certificate that is no authority.
    let between = leaf(&["between.example"], &root);
    let issuer = rcgen::Issuer::new(params("leaf", &["between.example"]), between.key);
    let pair = pki::sign(&params("leaf", &["a.example"]), KeyPair::generate().unwrap(), &issuer);
    let chain = format!("{}{}{}", pair.pem(), between.certificate.pem(), root.pem());
    let loaded = load(&chain, &pair.key.serialize_pem()).unwrap();
    let refused = |warning: &CertificateWarning| matches!(warning, CertificateWarning::ChainRefused { .. });
    assert!(loaded.warnings().iter().any(refused), "{:?}", loaded.warnings());
}

#[test]
fn names_the_file_that_is_not_there() {
    let pair = leaf(&["a.example"], &root("root"));
    let files = files(&pair.pem(), &pair.key.serialize_pem());
    fs::remove_file(&files.names.key).unwrap();
    let error = load_pair(&files.names, now()).unwrap_err();
    assert_eq!(error.file(), files.names.key);
    assert!(matches!(error.problem(), LoadProblem::Unreadable(cause) if cause.kind() == io::ErrorKind::NotFound));
    let folder = CertificateFiles { chain: files.folder.path().to_owned(), key: files.names.key.clone() };
    assert!(matches!(load_pair(&folder, now()).unwrap_err().problem(), LoadProblem::Unreadable(_)));
}

#[test]
fn reads_keys_of_every_form() {
    let issuer = root("root");
    let ec = leaf(&["a.example"], &issuer);
    let rsa = pki::sign(&params("leaf", &["a.example"]), pki::rsa_key(), &issuer);
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = pki::sign(&params("leaf", &["a.example"]), p384, &issuer);
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ed25519 = pki::sign(&params("leaf", &["a.example"]), ed25519, &issuer);
    let after_parameters = section("EC PARAMETERS", b"\x06\x08") + &section("EC PRIVATE KEY", &inner_key(&ec));
    for (pair, key) in [
        (&ec, ec.key.serialize_pem()),
        (&ec, ec.key.serialize_pem().replace('\n', "\r\n")),
        (&ec, format!("\u{feff}{}", ec.key.serialize_pem())),
        (&ec, section("EC PRIVATE KEY", &inner_key(&ec))),
        (&ec, after_parameters),
        (&rsa, rsa.key.serialize_pem()),
        (&rsa, section("RSA PRIVATE KEY", &inner_key(&rsa))),
        (&p384, p384.key.serialize_pem()),
        (&ed25519, ed25519.key.serialize_pem()),
    ] {
        load(&pair.pem(), &key).unwrap();
    }
}

#[test]
fn reads_a_bundle_with_the_key_anywhere() {
    let issuer = root("root");
    let pair = leaf(&["a.example"], &issuer);
    let (key, pem) = (pair.key.serialize_pem(), pair.pem());
    for bundle in [
        format!("{key}{pem}{}", issuer.pem()),
        format!("{pem}{key}{}", issuer.pem()),
        format!("\u{feff}{pem}some words\n{}{key}", issuer.pem()),
    ] {
        let Files { names, folder: _folder } = files(&bundle, "");
        close(&names.chain);
        let both = CertificateFiles { chain: names.chain.clone(), key: names.chain };
        let loaded = load_pair(&both, now()).unwrap();
        assert_eq!((loaded.chain().count(), loaded.warnings()), (2, &[][..]));
    }
}

#[test]
fn keys_open_to_everybody_are_a_warning() {
    let issuer = root("root");
    let pair = leaf(&["a.example"], &issuer);
    let files = files(&format!("{}{}", pair.pem(), issuer.pem()), &pair.key.serialize_pem());
    for (mode, open) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        fs::set_permissions(&files.names.key, fs::Permissions::from_mode(mode)).unwrap();
        let expected = CertificateWarning::KeyReadable { file: files.names.key.clone(), mode };
        let loaded = load_pair(&files.names, now()).unwrap();
        assert_eq!(loaded.warnings().contains(&expected), open, "{mode:o}");
    }
}

/// PKCS#1 and SEC1 keys are what PKCS#8 wraps: its third field.
fn inner_key(pair: &Pair) -> Vec<u8> {
    let der = pair.key.serialize_der();
    let (_, whole) = x509_parser::der_parser::parse_der(&der).unwrap();
    whole.as_sequence().unwrap()[2].as_slice().unwrap().to_vec()
}

fn section(label: &str, bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let symbol = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= chunk.len() { symbol } else { '=' });
        }
    }
    let lines = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
