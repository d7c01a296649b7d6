use super::*;
use crate::tls::pem_file::read_certificates;
use crate::tls::tests::{Client, DAY, files, host, intermediate, now, root, serving, shake};

const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

fn hosts() -> [HostName; 3] {
    ["app.corp", "api.corp", "files.corp"].map(host)
}

#[test]
fn one_leaf_for_all_names_is_made_once_and_again_when_something_changed() {
    let root = root("root");
    let middle = intermediate("middle", &root);
    let given = files(&format!("{}{}", middle.pem(), root.pem()), &middle.key().serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let ensure = |hosts: &[HostName], at| ensure_issued(folder.path(), &given.names, hosts, LIFE, at).unwrap();
    let text = || fs::read_to_string(issued_file(folder.path())).unwrap();
    let mut made = ensure(&hosts(), now());
    assert_eq!(made.renew_at, Some(now() + 20 * DAY));
    let leaf = made.certificates.remove(0);
    assert_eq!((leaf.chain().count(), leaf.warnings()), (2, &[][..]));
    assert_eq!((&made.authorities[0].file, made.authorities[0].state), (&given.names.chain, AuthorityState::Given));
    let trust = read_certificates(&files(&root.pem(), "").names.chain).unwrap();
    let server = serving(vec![leaf]);
    for name in hosts() {
        assert!(shake(&server, &Client::new().trusting(&trust), name.as_str()).is_ok(), "{name}");
    }
    let first = text();
    ensure(&hosts(), now() + 20 * DAY);
    assert_eq!(text(), first, "not due");
    ensure(&hosts(), now() + 20 * DAY + Duration::from_secs(1));
    let second = text();
    assert_ne!(second, first, "due");
    ensure(&hosts()[..2], now() + 20 * DAY);
    let third = text();
    assert_ne!(third, second, "other names");
    let other = intermediate("middle", &root);
    let other = files(&format!("{}{}", other.pem(), root.pem()), &other.key().serialize_pem());
    ensure_issued(folder.path(), &other.names, &hosts()[..2], LIFE, now() + 20 * DAY).unwrap();
    assert_ne!(text(), third, "another authority of the same name");
}

#[test]
fn near_the_authority_s_end_leaves_are_shorter_and_still_not_made_at_every_look() {
    let root = root("root");
    let given = files(&root.pem(), &root.key().serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let at = now() + 70 * DAY;
    let made = ensure_issued(folder.path(), &given.names, &hosts(), LIFE, at).unwrap();
    let leaf = &made.certificates[0];
    assert_eq!(leaf.not_after(), now() + 80 * DAY);
    assert!(made.renew_at.unwrap() > at + DAY, "{:?}", made.renew_at);
    assert!(!leaf.lacks_issuer(), "clients know it");
    let error = ensure_issued(folder.path(), &given.names, &hosts(), LIFE, now() + 81 * DAY).unwrap_err();
    assert!(error.to_string().contains("expired") && !error.hint().is_empty(), "{error}");
}
