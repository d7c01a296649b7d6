use super::*;
use crate::tls::load_pair;
use crate::tls::tests::{Client, DAY, files, host, now, params, serving, shake};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, DnValue, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints,
};

const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

fn authority(common_name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params(common_name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    change(&mut params);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn names(names: &[&str]) -> Vec<NamePattern> {
    names.iter().map(|name| NamePattern::parse(name).unwrap()).collect()
}

fn refused(chain: &str, key: &str) -> SignerProblem {
    let error = Signer::load(&files(chain, key).names, now()).unwrap_err();
    assert!(error.to_string().contains(&error.file().display().to_string()), "{error}");
    assert!(!error.hint().is_empty());
    error.problem
}

/// Whether clients that trust `root` alone take the leaf with its chain for `name`.
fn taken(issued: &IssuedLeaf, root: &str, name: &str) -> bool {
    let leaf = files(&issued.chain, &issued.key);
    let loaded = load_pair(&leaf.names, now()).unwrap();
    let root = read_certificates(&files(root, "").names.chain).unwrap();
    shake(&serving(vec![loaded]), &Client::new().trusting(&root), name).is_ok()
}

#[test]
fn an_intermediate_signs_and_the_whole_chain_without_the_root_is_sent() {
    let root = CertifiedIssuer::self_signed(authority("root", |_| ()), key()).unwrap();
    for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA256] {
        let own = if *kind == rcgen::PKCS_RSA_SHA256 {
            crate::tls::tests::rsa_key()
        } else {
            KeyPair::generate_for(kind).unwrap()
        };
        let pem = own.serialize_pem();
        let middle = CertifiedIssuer::signed_by(authority("middle", |_| ()), own, &root).unwrap();
        for chain in [format!("{}{}", middle.pem(), root.pem()), format!("{}{}", root.pem(), middle.pem())] {
            let signer = Signer::load(&files(&chain, &pem).names, now()).unwrap();
            let issued = signer.issue(&names(&["app.example.com", "*.ml.corp"]), LIFE, now()).unwrap();
            assert_eq!(issued.chain.matches("BEGIN").count(), 2, "leaf and intermediate");
            assert_eq!(issued.not_after, now() + 80 * DAY, "not longer than those above it");
            for (name, expected) in [("app.example.com", true), ("x.ml.corp", true), ("other.example", false)] {
                assert_eq!(taken(&issued, &root.pem(), name), expected, "{name}");
            }
        }
    }
}

#[test]
fn names_of_companies_are_kept_byte_by_byte() {
    let mut own = authority("middle", |_| ());
    own.distinguished_name
        .push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]), DnValue::Utf8String("corp".into()));
    own.distinguished_name.push(DnType::OrganizationalUnitName, DnValue::BmpString("Ünit".try_into().unwrap()));
    let root = CertifiedIssuer::self_signed(own, key()).unwrap();
    let pem = root.key().serialize_pem();
    let signer = Signer::load(&files(&root.pem(), &pem).names, now()).unwrap();
    let issued = signer.issue(&names(&["app.example.com"]), LIFE, now()).unwrap();
    let leaf = read_certificates(&files(&issued.chain, "").names.chain).unwrap();
    let (leaf, root) = (Link::parse(&leaf[0]).unwrap(), Link::parse(root.der()).unwrap());
    assert_eq!(leaf.x509().issuer().as_raw(), root.raw_subject());
    assert!(leaf.is_issued_by(&root));
    let authority = leaf.renewal_id().unwrap().0;
    assert_eq!(Some(authority.as_slice()), root.key_id());
}

#[test]
fn refuses_what_cannot_sign() {
    let good = CertifiedIssuer::self_signed(authority("good", |_| ()), key()).unwrap();
    let pem = good.key().serialize_pem();
    assert!(
        matches!(refused(&good.pem(), &key().serialize_pem()), SignerProblem::KeyMismatch { subject } if subject == "CN=good")
    );
    assert!(matches!(refused(&format!("{}{pem}", good.pem()), &pem), SignerProblem::KeyInside));
    assert!(matches!(refused("nothing", &pem), SignerProblem::File(_)));
    assert!(matches!(refused(&good.pem(), "nothing"), SignerProblem::File(_)));
    let with = |change: fn(&mut CertificateParams)| {
        let made = CertifiedIssuer::self_signed(authority("x", change), key()).unwrap();
        refused(&made.pem(), &made.key().serialize_pem())
    };
    assert!(matches!(with(|params| params.is_ca = IsCa::NoCa), SignerProblem::NotAnAuthority { .. }));
    let usage = with(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert!(matches!(usage, SignerProblem::MayNotSign { .. }));
    let past = with(|params| params.not_after = OffsetDateTime::from(now() - DAY));
    assert!(matches!(past, SignerProblem::Expired(at) if at == now() - DAY));
    let future = with(|params| params.not_before = OffsetDateTime::from(now() + DAY));
    assert!(matches!(future, SignerProblem::NotYetValid(at) if at == now() + DAY));
}

#[test]
fn names_outside_of_the_constraints_are_refused_before_anything_is_signed() {
    let subtree = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    let constraints = NameConstraints {
        permitted_subtrees: vec![subtree("corp.example"), subtree(".dotted.example")],
        excluded_subtrees: vec![subtree("secret.corp.example")],
    };
    let made = authority("x", |params| params.name_constraints = Some(constraints));
    let made = CertifiedIssuer::self_signed(made, key()).unwrap();
    let signer = Signer::load(&files(&made.pem(), &made.key().serialize_pem()).names, now()).unwrap();
    for (name, allowed) in [
        ("corp.example", true),
        ("app.corp.example", true),
        ("*.a.corp.example", true),
        ("xcorp.example", false),
        ("other.example", false),
        ("secret.corp.example", false),
        ("a.secret.corp.example", false),
        ("dotted.example", false),
    ] {
        let issued = signer.issue(&names(&[name]), LIFE, now());
        assert_eq!(issued.is_ok(), allowed, "{name}: {:?}", issued.err());
        if let Err(error) = signer.issue(&names(&["app.corp.example", name]), LIFE, now()) {
            assert!(error.to_string().contains(name), "{error}");
        }
    }
    let error = signer.issue(&names(&["other.example"]), LIFE, now()).unwrap_err();
    assert!(error.hint().contains("corp.example, .dotted.example"), "{}", error.hint());
}

#[test]
fn an_authority_too_deep_below_its_root_is_found_out() {
    let root = authority("root", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let root = CertifiedIssuer::self_signed(root, key()).unwrap();
    let middle = CertifiedIssuer::signed_by(authority("middle", |_| ()), key(), &root).unwrap();
    let chain = format!("{}{}", middle.pem(), root.pem());
    let signer = Signer::load(&files(&chain, &middle.key().serialize_pem()).names, now()).unwrap();
    let error = signer.issue(&names(&["app.example.com"]), LIFE, now()).unwrap_err();
    assert!(matches!(error.problem(), SignerProblem::Refused(_)), "{error}");
    // Where the root is not in the file, nobody here can know.
    let signer = Signer::load(&files(&middle.pem(), &middle.key().serialize_pem()).names, now()).unwrap();
    assert!(signer.issue(&names(&["app.example.com"]), LIFE, now()).is_ok());
    assert!(signer.issued(&host_leaf(&signer)));
}

fn host_leaf(signer: &Signer) -> Vec<u8> {
    let issued = signer.issue(&[NamePattern::Exact(host("app.example.com"))], LIFE, now()).unwrap();
    read_certificates(&files(&issued.chain, "").names.chain).unwrap().remove(0).to_vec()
}
