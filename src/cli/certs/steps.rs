//! What makes a client trust an authority, or no more: the steps, as data. Carrying them out is `trust`'s.
//!
//! Source: update-ca-certificates(8), update-ca-trust(8), security(1), certutil of NSS and of Windows; clearml
//! `backend_api/utils.py` and `storage/helper.py`; clearml-agent `agent.extra_docker_arguments`.

use super::args::Target;
use crate::clearml::{self, CA_IN_CONTAINER};
use std::path::{Path, PathBuf};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Put the certificate there, readable by all.
    Install(PathBuf),
    /// Remove the file.
    Remove(PathBuf),
    /// Run a program.
    Run(Vec<String>),
    /// Something that a person does.
    Say(String),
}

/// What the steps are about.
pub(super) struct Facts<'a> {
    /// The authority's certificate, absolute.
    pub(super) file: &'a Path,
    /// What it is called in lists of authorities; no spaces.
    pub(super) name: &'a str,
    /// The folder that stands for `/`.
    pub(super) root: Option<&'a Path>,
    /// Folders of NSS databases on this machine.
    pub(super) databases: &'a [PathBuf],
    /// Whether it is to be trusted no more.
    pub(super) undo: bool,
}

impl Facts<'_> {
    fn at(&self, path: &str) -> PathBuf {
        self.root.map_or_else(|| PathBuf::from(path), |root| root.join(path.trim_start_matches('/')))
    }

    fn put(&self, file: PathBuf) -> Step {
        if self.undo { Step::Remove(file) } else { Step::Install(file) }
    }
}

/// The steps for `target`.
pub(super) fn steps(target: Target, facts: &Facts<'_>) -> Vec<Step> {
    match target {
        Target::Debian => debian(facts),
        Target::Fedora => fedora(facts),
        Target::Macos => macos(facts),
        Target::Windows => windows(facts),
        Target::Nss => nss(facts),
        Target::Python => python(facts),
        Target::Clearml => clearml(facts),
        Target::Agent => agent(facts),
    }
}

fn run(words: &[&str]) -> Step {
    Step::Run(words.iter().map(|word| (*word).to_owned()).collect())
}

fn debian(facts: &Facts<'_>) -> Vec<Step> {
    let file = facts.at(&format!("/usr/local/share/ca-certificates/{}.crt", facts.name));
    let mut command = vec![String::from("update-ca-certificates")];
    if facts.undo {
        command.push(String::from("--fresh"));
    }
    if facts.root.is_some() {
        for (option, path) in [
            ("--certsconf", "/etc/ca-certificates.conf"),
            ("--certsdir", "/usr/share/ca-certificates"),
            ("--localcertsdir", "/usr/local/share/ca-certificates"),
            ("--etccertsdir", "/etc/ssl/certs"),
            ("--hooksdir", "/etc/ca-certificates/update.d"),
        ] {
            command.extend([option.to_owned(), facts.at(path).display().to_string()]);
        }
    }
    let mut steps = vec![facts.put(file)];
    if facts.root.is_some() {
        // What an image that is being built may lack.
        let folders = ["/usr/share/ca-certificates", "/etc/ssl/certs", "/etc/ca-certificates/update.d"];
        let folders = folders.map(|folder| facts.at(folder).display().to_string());
        steps.push(Step::Run([&[String::from("mkdir"), String::from("-p")], &folders[..]].concat()));
        steps.push(run(&["touch", &facts.at("/etc/ca-certificates.conf").display().to_string()]));
    }
    steps.push(Step::Run(command));
    steps
}

fn fedora(facts: &Facts<'_>) -> Vec<Step> {
    let file = facts.at(&format!("/etc/pki/ca-trust/source/anchors/{}.pem", facts.name));
    let mut steps = vec![facts.put(file)];
    steps.push(match facts.root {
        None => run(&["update-ca-trust", "extract"]),
        Some(root) => Step::Say(format!("then, in {} as root directory: update-ca-trust extract", root.display())),
    });
    steps
}

fn macos(facts: &Facts<'_>) -> Vec<Step> {
    let file = facts.file.display().to_string();
    if facts.undo {
        return vec![run(&["security", "remove-trusted-cert", "-d", &file])];
    }
    let keychain = "/Library/Keychains/System.keychain";
    vec![run(&["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain, &file])]
}

fn windows(facts: &Facts<'_>) -> Vec<Step> {
    if facts.undo {
        return vec![Step::Say(String::from(
            "as administrator: certutil -delstore Root \"<its serial number, as `clearway certs show` prints it>\"",
        ))];
    }
    let file = facts.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    vec![Step::Say(format!("copy the file there; then, as administrator: certutil -addstore -f Root {file}"))]
}

fn nss(facts: &Facts<'_>) -> Vec<Step> {
    let file = facts.file.display().to_string();
    let of_one = |folder: &PathBuf| {
        let database = format!("sql:{}", folder.display());
        let mut steps = Vec::new();
        if facts.undo {
            steps.push(run(&["certutil", "-d", &database, "-D", "-n", facts.name]));
            return steps;
        }
        if !folder.join("cert9.db").exists() {
            steps.push(run(&["mkdir", "-p", &folder.display().to_string()]));
            steps.push(run(&["certutil", "-d", &database, "-N", "--empty-password"]));
        }
        steps.push(run(&["certutil", "-d", &database, "-A", "-t", "C,,", "-n", facts.name, "-i", &file]));
        steps
    };
    facts.databases.iter().flat_map(of_one).collect()
}

fn python(facts: &Facts<'_>) -> Vec<Step> {
    let file = quoted(&facts.file.display().to_string());
    if facts.undo {
        return vec![Step::Say(String::from(
            "unset REQUESTS_CA_BUNDLE CURL_CA_BUNDLE, also where they are set for good",
        ))];
    }
    vec![
        Step::Say(format!("where it talks to this server only: export REQUESTS_CA_BUNDLE={file}")),
        Step::Say(format!(
            "where it talks to other https servers too, a file that has both: cat /etc/ssl/certs/ca-certificates.crt {file} > both.pem; export REQUESTS_CA_BUNDLE=\"$PWD/both.pem\""
        )),
        Step::Say(String::from("it wins over verify_certificate in clearml.conf, also over false")),
    ]
}

fn clearml(facts: &Facts<'_>) -> Vec<Step> {
    let file = clearml::quoted(&facts.file.display().to_string());
    if facts.undo {
        return vec![Step::Say(String::from("take the two verify_certificate lines out of clearml.conf"))];
    }
    vec![
        Step::Say(format!("api.verify_certificate: {file}")),
        Step::Say(format!("sdk.api.verify_certificate: {file}  # for uploads and downloads")),
    ]
}

fn agent(facts: &Facts<'_>) -> Vec<Step> {
    if facts.undo {
        return vec![Step::Say(String::from("take the arguments out of agent.extra_docker_arguments in clearml.conf"))];
    }
    let mount = clearml::quoted(&format!("{}:{CA_IN_CONTAINER}:ro", facts.file.display()));
    vec![
        Step::Say(String::from("in the agent's clearml.conf; the path is one of the agent's machine:")),
        Step::Say(format!(
            "agent.extra_docker_arguments: [\"-v\", {mount}, \"-e\", \"REQUESTS_CA_BUNDLE={CA_IN_CONTAINER}\"]"
        )),
    ]
}

/// A step as somebody would type it.
pub(super) fn typed(step: &Step, facts: &Facts<'_>) -> String {
    let words = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let path = |path: &Path| quoted(&path.display().to_string());
    match step {
        Step::Install(to) => format!("sudo install -D -m 644 {} {}", path(facts.file), path(to)),
        Step::Remove(file) => format!("sudo rm -f {}", path(file)),
        Step::Run(command) => match command.first().map(String::as_str) {
            Some("certutil" | "mkdir" | "touch") => words(command),
            _ => format!("sudo {}", words(command)),
        },
        Step::Say(text) => text.clone(),
    }
}

/// `text` as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=+@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(undo: bool) -> Vec<(Target, Vec<String>)> {
        let databases = [PathBuf::from("/home/jane/.pki/nssdb")];
        let file = Path::new("/srv/certs/it's.pem");
        let facts = Facts { file, name: "clearway-ml", root: None, databases: &databases, undo };
        let typed = |target| steps(target, &facts).iter().map(|step| typed(step, &facts)).collect::<Vec<_>>();
        Target::ALL.map(|target| (target, typed(target))).to_vec()
    }

    #[test]
    fn every_target_has_steps_both_ways_and_each_names_the_file_or_undoes() {
        for (target, said) in all(false) {
            assert!(
                !said.is_empty() && said.iter().any(|line| line.contains("it's") || line.contains("it'\\''s")),
                "{target:?}: {said:?}"
            );
        }
        for (target, said) in all(true) {
            assert!(!said.is_empty(), "{target:?}");
        }
    }

    #[test]
    fn paths_are_quoted_for_clearml_s_own_files() {
        let facts = Facts { file: Path::new("/a \"b\\c/ca.pem"), name: "n", root: None, databases: &[], undo: false };
        for target in [Target::Clearml, Target::Agent] {
            let said = steps(target, &facts).iter().map(|step| typed(step, &facts)).collect::<Vec<_>>().join("\n");
            assert!(said.contains(r#""/a \"b\\c/ca.pem"#), "{said}");
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("/a/b-c.pem"), "/a/b-c.pem");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("$x"), "'$x'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn another_root_is_told_to_the_program_as_well() {
        let facts = Facts {
            file: Path::new("/ca.pem"),
            name: "clearway-ml",
            root: Some(Path::new("/image")),
            databases: &[],
            undo: false,
        };
        let said = steps(Target::Debian, &facts).iter().map(|step| typed(step, &facts)).collect::<Vec<_>>();
        assert_eq!(said[0], "sudo install -D -m 644 /ca.pem /image/usr/local/share/ca-certificates/clearway-ml.crt");
        assert!(said.last().unwrap().contains("--etccertsdir /image/etc/ssl/certs"), "{said:?}");
    }
}
