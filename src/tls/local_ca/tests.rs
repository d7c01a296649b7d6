use super::*;
use crate::tls::tests::{Client, DAY, host, now, serving, shake};
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use tempfile::TempDir;

const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

const DOMAIN: &str = "clearml.localhost";

fn names() -> LocalNames {
    LocalNames::below(&host(DOMAIN))
}

/// A certificate folder.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With an authority and leaf made at `now()`.
    fn filled() -> Self {
        let folder = Self::new();
        assert_eq!(folder.ensure(now()).1, AuthorityState::Created);
        folder
    }

    fn try_ensure(&self, at: SystemTime) -> Result<LocalCertificates, LocalCaError> {
        ensure(self.0.path(), &[names()], LIFE, at)
    }

    fn ensure(&self, at: SystemTime) -> (LoadedCertificate, AuthorityState) {
        let mut local = self.try_ensure(at).unwrap();
        let (certificate, authority) = (local.certificates.pop().unwrap(), local.authorities.pop().unwrap());
        assert!(local.certificates.is_empty() && local.authorities.is_empty());
        assert_eq!((authority.hosts, authority.file), (names().leaf, self.file("ca.pem")));
        (certificate, authority.state)
    }

    fn refused(&self, at: SystemTime) -> LocalCaProblem {
        let before = self.contents();
        let error = self.try_ensure(at).unwrap_err();
        assert_eq!(self.contents(), before, "a refusal changes nothing");
        assert!(error.to_string().contains(&error.file().display().to_string()) && !error.hint().is_empty());
        error.problem
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("local").join(DOMAIN).join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.file(name)).unwrap().permissions().mode() & 0o777
    }

    fn contents(&self) -> Vec<(String, String)> {
        ["ca.pem", "ca.key", "leaf.pem"]
            .into_iter()
            .filter(|name| self.file(name).exists())
            .map(|name| (name.to_owned(), self.text(name)))
            .collect()
    }

    fn root(&self) -> CertificateDer<'static> {
        read_certificates(&self.file("ca.pem")).unwrap().remove(0)
    }
}

/// Whether a client at `at` that trusts `root` takes `certificate` for all its names.
fn trusted(certificate: LoadedCertificate, root: &CertificateDer<'static>, at: SystemTime) -> bool {
    let server = serving(vec![certificate]);
    let client = Client::new().at(at).trusting(std::slice::from_ref(root));
    names().leaf.iter().all(|name| shake(&server, &client, name.as_str()).is_ok())
}

#[test]
fn makes_an_authority_and_a_leaf_that_clients_take() {
    let folder = Folder::new();
    let (leaf, state) = folder.ensure(now());
    assert_eq!(state, AuthorityState::Created);
    let names = leaf.names().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names, ["app.clearml.localhost", "api.clearml.localhost", "files.clearml.localhost", DOMAIN]);
    assert_eq!((leaf.not_before(), leaf.not_after()), (now() - DAY, now() + 90 * DAY));
    assert_eq!((leaf.warnings(), leaf.chain().count()), (&[][..], 1));
    assert_eq!(leaf.file(), folder.file("leaf.pem"));
    assert!(trusted(leaf, &folder.root(), now()));
}

#[test]
fn keys_are_closed_to_others_and_nothing_is_left_behind() {
    let folder = Folder::filled();
    assert_eq!((folder.mode("ca.key"), folder.mode("leaf.pem")), (0o600, 0o600));
    assert_eq!(folder.mode("ca.pem") & 0o400, 0o400);
    assert!(!folder.text("ca.pem").contains("PRIVATE"));
    let names = fs::read_dir(folder.file("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), ["ca.key", "ca.pem", "leaf.pem", "lock"].map(String::from).into());
}

#[test]
fn reuses_what_is_good_without_writing() {
    let folder = Folder::filled();
    let before = folder.contents();
    fs::remove_file(folder.file("lock")).unwrap();
    for days in [0, 30, 60] {
        assert_eq!(folder.ensure(now() + days * DAY).1, AuthorityState::Reused);
    }
    assert_eq!(folder.contents(), before);
    assert!(!folder.file("lock").exists(), "no lock is taken when there is nothing to make");
}

#[test]
fn replaces_a_leaf_with_less_than_30_days_left() {
    let folder = Folder::filled();
    let (root, old) = (folder.root(), folder.text("leaf.pem"));
    let at = now() + 60 * DAY + Duration::from_secs(1);
    let (leaf, state) = folder.ensure(at);
    assert_eq!((state, leaf.not_after()), (AuthorityState::Reused, at + 90 * DAY));
    assert_ne!(folder.text("leaf.pem"), old);
    assert_eq!(folder.root(), root);
    assert!(trusted(leaf, &root, at));
}

#[test]
fn replaces_a_leaf_that_does_not_fit() {
    let other = Folder::filled();
    for (case, text) in [
        ("gone", None),
        ("empty", Some(String::new())),
        ("broken", Some(String::from("-----BEGIN CERTIFICATE-----\n"))),
        ("of another authority", Some(other.text("leaf.pem"))),
    ] {
        let folder = Folder::filled();
        match &text {
            Some(text) => fs::write(folder.file("leaf.pem"), text).unwrap(),
            None => fs::remove_file(folder.file("leaf.pem")).unwrap(),
        }
        let root = folder.root();
        let (leaf, state) = folder.ensure(now());
        assert_eq!(state, AuthorityState::Reused, "{case}");
        assert_ne!(Some(folder.text("leaf.pem")), text, "{case}");
        assert_eq!(folder.mode("leaf.pem"), 0o600, "{case}");
        assert!(trusted(leaf, &root, now()), "{case}");
    }
}

#[test]
fn a_leaf_with_other_names_by_the_same_authority_is_replaced() {
    let folder = Folder::filled();
    let key = KeyPair::from_pem(&folder.text("ca.key")).unwrap();
    let foreign = issue::leaf(&LocalNames::below(&host("x.clearml.localhost")), key, 90 * DAY, now()).unwrap();
    fs::write(folder.file("leaf.pem"), foreign.as_bytes()).unwrap();
    let (leaf, _) = folder.ensure(now());
    assert_eq!(leaf.names().len(), 4);
    assert!(trusted(leaf, &folder.root(), now()));
}

#[test]
fn renews_an_authority_near_its_end_with_the_same_key() {
    let folder = Folder::filled();
    let (old_root, key) = (folder.root(), folder.text("ca.key"));
    let at = now() + (3650 - 119) * DAY;
    let (leaf, state) = folder.ensure(at);
    assert_eq!(state, AuthorityState::Renewed { old_end: now() + 3650 * DAY });
    assert!(state.to_string().contains("2037-01-12"), "{state}");
    assert_eq!(folder.text("ca.key"), key);
    let new_root = folder.root();
    assert_ne!(new_root, old_root);
    for root in [old_root, new_root] {
        let (again, state) = folder.ensure(at);
        assert_eq!(state, AuthorityState::Reused);
        assert!(trusted(again, &root, at), "both the old and the new file are good");
    }
    assert_eq!(leaf.not_after(), at + 90 * DAY);
}

#[test]
fn the_key_may_be_taken_away_until_a_leaf_is_due() {
    let folder = Folder::filled();
    fs::remove_file(folder.file("ca.key")).unwrap();
    assert_eq!(folder.ensure(now()).1, AuthorityState::Reused);
    let before = folder.contents();
    let due = now() + 61 * DAY;
    let (leaf, state) = folder.ensure(due);
    assert_eq!((state, folder.contents()), (AuthorityState::Reused, before));
    match leaf.warnings() {
        [CertificateWarning::ExpiresSoon { .. }, CertificateWarning::NotRenewed { reason }] => {
            assert!(reason.contains("key is missing"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(trusted(leaf, &folder.root(), due), "it is good all the same");
    let local = folder.try_ensure(due).unwrap();
    assert_eq!(local.renew_at, Some(due + Duration::from_secs(3600)), "tried again in an hour");
    assert!(matches!(folder.refused(now() + 91 * DAY), LocalCaProblem::KeyMissing));
}

#[test]
fn a_key_alone_gets_its_certificate_again() {
    let folder = Folder::filled();
    let (key, old_root) = (folder.text("ca.key"), folder.root());
    fs::remove_file(folder.file("ca.pem")).unwrap();
    let (leaf, state) = folder.ensure(now());
    assert_eq!((state, folder.text("ca.key")), (AuthorityState::Created, key));
    assert!(trusted(leaf, &old_root, now()));
}

#[test]
fn refuses_an_authority_that_it_did_not_make() {
    let other = Folder::filled();
    let domain = LocalNames::below(&host("other.localhost"));
    for case in ["another certificate", "another key", "another domain", "no authority"] {
        let folder = Folder::filled();
        let key = KeyPair::from_pem(&folder.text("ca.key")).unwrap();
        match case {
            "another certificate" => fs::write(folder.file("ca.pem"), other.text("ca.pem")).unwrap(),
            "another key" => fs::write(folder.file("ca.key"), other.text("ca.key")).unwrap(),
            "another domain" => {
                fs::write(folder.file("ca.pem"), issue::authority(&domain, &key, now()).unwrap()).unwrap();
            }
            _ => fs::write(folder.file("ca.pem"), folder.text("leaf.pem")).unwrap(),
        }
        assert!(matches!(folder.refused(now()), LocalCaProblem::Foreign), "{case}");
    }
}

#[test]
fn refuses_broken_authority_files() {
    let folder = Folder::filled();
    fs::write(folder.file("ca.key"), "no key").unwrap();
    assert!(matches!(folder.refused(now()), LocalCaProblem::KeyBroken(_)));
    let folder = Folder::filled();
    fs::write(folder.file("ca.pem"), "no certificate").unwrap();
    assert!(matches!(folder.refused(now()), LocalCaProblem::Certificate(_)));
}

#[test]
fn a_clock_that_is_behind_is_named() {
    let folder = Folder::filled();
    assert!(matches!(folder.refused(now() - 2 * DAY), LocalCaProblem::NotYetValid(at) if at == now() - DAY));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("local"), "in the way").unwrap();
    let error = folder.try_ensure(now()).unwrap_err();
    assert!(matches!(error.problem(), LocalCaProblem::Unwritable(_)));
    assert!(error.to_string().contains("local/clearml.localhost"), "{error}");
    assert!(error.hint().contains("certificate_folder"));
}

#[test]
fn each_of_the_names_has_its_own_authority() {
    let folder = Folder::new();
    let hosts = LocalNames::of([host("b.example"), host("files.example")]).unwrap();
    let all = [LocalNames::below(&host("a.localhost")), hosts];
    let local = ensure(folder.0.path(), &all, LIFE, now()).unwrap();
    let files = local.authorities.iter().map(|authority| authority.file.clone()).collect::<Vec<_>>();
    let expected = ["a.localhost", "b.example"].map(|name| folder.0.path().join("local").join(name).join("ca.pem"));
    assert_eq!(files, expected);
    let names = local.certificates.iter().map(|certificate| certificate.names()[0].to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["app.a.localhost", "b.example"]);
    let roots = files.iter().map(|file| read_certificates(file).unwrap().remove(0)).collect::<Vec<_>>();
    assert_ne!(roots[0], roots[1]);
    let again = ensure(folder.0.path(), &all, LIFE, now()).unwrap();
    assert!(again.authorities.iter().all(|authority| authority.state == AuthorityState::Reused));
    let fewer = [LocalNames::of([host("b.example")]).unwrap()];
    let local = ensure(folder.0.path(), &fewer, LIFE, now()).unwrap();
    assert_eq!(local.authorities[0].state, AuthorityState::Reused, "fewer names are within its limits");
    assert_eq!(local.certificates[0].names().len(), 1);
}

#[test]
fn names_that_come_later_get_an_authority_of_their_own() {
    let folder = Folder::new();
    let of = |names: &[&str]| LocalNames::of(names.iter().map(|name| host(name))).unwrap();
    let ensure = |names: &[&str]| ensure(folder.0.path(), &[of(names)], LIFE, now()).unwrap();
    let first = ensure(&["app.corp", "api.corp"]);
    let root = |local: &LocalCertificates, at: usize| fs::read(&local.authorities[at].file).unwrap();
    let old = root(&first, 0);
    for round in 0..2 {
        let more = ensure(&["app.corp", "api.corp", "files.corp", "below.api.corp"]);
        assert_eq!(more.authorities.len(), 2, "round {round}");
        assert_eq!(root(&more, 0), old, "what clients trust is not touched");
        assert_eq!(more.authorities[0].hosts, [host("app.corp"), host("api.corp"), host("below.api.corp")]);
        assert_eq!(more.authorities[1].hosts, [host("files.corp")]);
        for (certificate, authority) in more.certificates.into_iter().zip(&more.authorities) {
            let root = read_certificates(&authority.file).unwrap();
            let server = serving(vec![certificate]);
            for name in &authority.hosts {
                assert!(shake(&server, &Client::new().trusting(&root), name.as_str()).is_ok(), "{name}");
            }
        }
    }
    assert_eq!(ensure(&["app.corp"]).authorities.len(), 1);
}

#[test]
fn the_next_replacement_is_known() {
    let folder = Folder::new();
    let at = |life: Duration, now| ensure(folder.0.path(), &[names()], life, now).unwrap().renew_at.unwrap();
    assert_eq!(at(LIFE, now()), now() + 60 * DAY);
    assert_eq!(at(LIFE, now() + 60 * DAY), now() + 60 * DAY, "due, and not yet past it");
    let later = now() + 61 * DAY;
    assert_eq!(at(LIFE, later), later + 60 * DAY);
    let short = Duration::from_secs(30);
    let folder = Folder::new();
    let at = |now| ensure(folder.0.path(), &[names()], short, now).unwrap().renew_at.unwrap();
    assert_eq!(at(now()), now() + Duration::from_secs(20));
    assert_eq!(at(now() + Duration::from_secs(21)), now() + Duration::from_secs(41));
}

#[test]
fn starting_together_ends_with_one_authority_and_one_leaf() {
    const STARTERS: usize = 8;
    let folder = Folder::new();
    let barrier = Barrier::new(STARTERS);
    let start = || {
        barrier.wait();
        let (leaf, state) = folder.ensure(now());
        (leaf.chain().next().unwrap().to_vec(), state)
    };
    let results = std::thread::scope(|scope| {
        let starters = (0..STARTERS).map(|_| scope.spawn(start)).collect::<Vec<_>>();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(results.iter().map(|(leaf, _)| leaf).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(results.iter().filter(|(_, state)| *state == AuthorityState::Created).count(), 1);
}

#[test]
fn a_lock_that_is_held_is_not_waited_for_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let held = lock(folder.path()).unwrap();
    let error = lock(folder.path()).unwrap_err();
    assert!(error.told().contains("another process holds it"), "{}", error.told());
    drop(held);
    assert!(lock(folder.path()).is_ok());
}
