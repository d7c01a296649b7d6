//! `clearway certs trust`: lets clients trust the authority, or says how.
//!
//! Owns: finding the certificate, and what is on this machine; carrying steps out. Leaves: the steps to `steps`.

use super::super::output;
use super::args::{Target, TrustArgs};
use super::steps::{Facts, Step, steps, typed};
use super::{Done, day, failure, settings};
use crate::app::{CertificateSource, inventory};
use crate::config::Environment;
use crate::runtime::wall;
use crate::tls::{LoadError, TrustAnchor, replace_file, trust_anchor};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Firefox profiles that are looked at.
const PROFILES_MAX: usize = 64;

/// Prints the steps for each authority, or carries them out.
pub(super) fn trust(args: &TrustArgs) -> Done {
    let databases = databases(&Environment::of_process());
    let targets = targets(args, &databases);
    if targets.is_empty() {
        let hint = "name one with --target; without --apply the steps are printed";
        return Err(failure(&"nothing is found here that keeps a list of authorities", hint));
    }
    let (mut texts, mut values, mut well) = (Vec::new(), Vec::new(), true);
    for file in files(args)? {
        let anchor = anchor(&file, args.undo)?;
        let file = std::path::absolute(&file).unwrap_or(file);
        let name = name(&anchor);
        let root = args.root.as_deref();
        let facts = Facts { file: &file, name: &name, root, databases: &databases, undo: args.undo };
        texts.push(heading(&anchor, &file, args.undo));
        for target in &targets {
            let outcome = Outcome::of(*target, &facts, &anchor, args.apply);
            well &= !args.apply || outcome.is_done();
            texts.push(outcome.text());
            values.push(outcome.json(&file));
        }
    }
    match args.json {
        true => output::data(&json!({ "targets": values }).to_string()),
        false => output::data(&texts.join("\n\n")),
    }
    Ok(well)
}

/// The certificates of the authorities that clients need.
fn files(args: &TrustArgs) -> Result<Vec<PathBuf>, String> {
    if let Some(file) = &args.ca {
        return Ok(vec![file.clone()]);
    }
    let found = inventory(&settings(&args.source)?, wall());
    let authorities = found.entries.iter().filter(|entry| entry.source == CertificateSource::Authority);
    let files = authorities.map(|entry| entry.file.clone()).collect::<Vec<_>>();
    if files.is_empty() {
        let hint = "clients know public authorities; for one of your company's, give its certificate as --ca";
        return Err(failure(&"no certificate of this configuration is signed here", hint));
    }
    if let Some(missing) = files.iter().find(|file| !file.exists()) {
        let message = format!("{} is not there yet", missing.display());
        return Err(failure(&message, "start the proxy once with this configuration: it makes the local CA"));
    }
    Ok(files)
}

fn anchor(file: &Path, undo: bool) -> Result<TrustAnchor, String> {
    let anchor = trust_anchor(file).map_err(|error: LoadError| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        failure(&format!("{error}{cause}"), &error.hint())
    })?;
    if !anchor.details.authority && !undo {
        let message = format!("{} is no certificate authority: {}", anchor.details.subject, file.display());
        return Err(failure(&message, "give the certificate of the authority that issued it, as --ca"));
    }
    Ok(anchor)
}

/// What it is called in lists: its common name, without anything that a path or a shell could mistake.
fn name(anchor: &TrustAnchor) -> String {
    let subject = &anchor.details.subject;
    let common = subject.split("CN=").nth(1).unwrap_or(subject).split(',').next().unwrap_or_default();
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let slug = common.chars().map(kept).collect::<String>();
    let slug = slug.trim_matches(['-', '.']);
    if slug.starts_with("clearway") { slug.to_owned() } else { format!("clearway-{slug}") }
}

/// For whom: who was named, else everybody, else with `--apply` what is found here.
fn targets(args: &TrustArgs, databases: &[PathBuf]) -> Vec<Target> {
    match (args.target.as_slice(), args.apply) {
        ([], false) => Target::ALL.to_vec(),
        ([], true) => Target::ALL.into_iter().filter(|target| is_here(*target, args, databases)).collect(),
        (named, _) => named.to_vec(),
    }
}

fn is_here(target: Target, args: &TrustArgs, databases: &[PathBuf]) -> bool {
    let at = |path: &str| args.root.as_ref().map_or_else(|| PathBuf::from(path), |root| root.join(&path[1..]));
    match target {
        Target::Debian => {
            at("/usr/local/share/ca-certificates").is_dir() && Path::new("/usr/sbin/update-ca-certificates").exists()
        }
        Target::Fedora => at("/etc/pki/ca-trust/source/anchors").is_dir(),
        Target::Macos => cfg!(target_os = "macos"),
        Target::Nss => args.root.is_none() && databases.iter().any(|folder| folder.join("cert9.db").exists()),
        Target::Windows | Target::Python | Target::Clearml | Target::Agent => false,
    }
}

/// Where NSS keeps its lists: one for Chromium, one for each profile of Firefox.
fn databases(environment: &Environment) -> Vec<PathBuf> {
    let Some(home) = environment.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from) else {
        return Vec::new();
    };
    let firefox = [".mozilla/firefox", "snap/firefox/common/.mozilla/firefox"].map(|folder| home.join(folder));
    let profiles = firefox.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let profiles = profiles.map(|entry| entry.path()).filter(|folder| folder.join("cert9.db").exists());
    let mut profiles = profiles.take(PROFILES_MAX).collect::<Vec<_>>();
    profiles.sort();
    [home.join(".pki/nssdb")].into_iter().chain(profiles).collect()
}

fn heading(anchor: &TrustAnchor, file: &Path, undo: bool) -> String {
    let details = &anchor.details;
    let within = match details.permitted.as_slice() {
        [] => String::from("any name: whoever has its key can pretend to be anybody"),
        names => names.join(", "),
    };
    let what = if undo { "To trust it no more" } else { "To trust it" };
    format!(
        "{}\n  file       {}\n  SHA-256    {}\n  good until {}\n  may sign for {within}\n\n{what}:",
        details.subject,
        file.display(),
        details.fingerprint,
        day(details.not_after)
    )
}

/// What became of the steps for one target.
struct Outcome {
    target: Target,
    /// Each as somebody would type it, and what came of it; `None` for what was left to a person.
    steps: Vec<(String, Option<Result<(), String>>)>,
    apply: bool,
}

impl Outcome {
    fn of(target: Target, facts: &Facts<'_>, anchor: &TrustAnchor, apply: bool) -> Self {
        let mut failed = false;
        let mut done = Vec::new();
        for step in steps(target, facts) {
            let outcome = if apply && !failed { carry_out(&step, anchor) } else { None };
            failed |= matches!(outcome, Some(Err(_)));
            done.push((typed(&step, facts), outcome));
        }
        if apply && !failed && target == Target::Debian {
            done.extend(verified(facts, anchor));
        }
        Self { target, steps: done, apply }
    }

    /// Whether something was carried out, and nothing failed.
    fn is_done(&self) -> bool {
        let mut outcomes = self.steps.iter().filter_map(|(_, outcome)| outcome.as_ref()).peekable();
        outcomes.peek().is_some() && outcomes.all(Result::is_ok)
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("{} ({})", self.target.title(), self.target.as_str())];
        for (step, outcome) in &self.steps {
            lines.push(match outcome {
                None if self.apply => format!("  by hand: {step}"),
                None => format!("  {step}"),
                Some(Ok(())) => format!("  done:    {step}"),
                Some(Err(why)) => format!("  failed:  {step}\n           {why}"),
            });
        }
        lines.join("\n")
    }

    fn json(&self, file: &Path) -> Value {
        let step = |(text, outcome): &(String, Option<Result<(), String>>)| {
            json!({
                "step": text,
                "done": outcome.as_ref().map(Result::is_ok),
                "problem": outcome.as_ref().and_then(|outcome| outcome.as_ref().err()),
            })
        };
        json!({
            "target": self.target.as_str(),
            "authority": file.display().to_string(),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// What came of `step`; `None` for what a person does.
fn carry_out(step: &Step, anchor: &TrustAnchor) -> Option<Result<(), String>> {
    match step {
        Step::Install(to) => Some(install(to, &anchor.pem).map_err(|error| told(&error))),
        Step::Remove(file) => Some(match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(told(&error)),
            _ => Ok(()),
        }),
        Step::Run(command) => Some(run(command)),
        Step::Say(_) => None,
    }
}

fn install(to: &Path, pem: &str) -> std::io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    replace_file(to, pem, 0o644)
}

fn told(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => format!("{error}; run it as root"),
        _ => error.to_string(),
    }
}

fn run(command: &[String]) -> Result<(), String> {
    let [program, arguments @ ..] = command else { return Ok(()) };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("there is no program {program} here"),
        _ => told(&error),
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Not there is as good as removed.
    if output.status.success() || said.contains("could not find certificate") {
        return Ok(());
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!("{program} ended with {}: {last}", output.status))
}

/// Whether the system's list says so now.
fn verified(facts: &Facts<'_>, anchor: &TrustAnchor) -> Option<(String, Option<Result<(), String>>)> {
    let list = facts.root.unwrap_or(Path::new("/")).join("etc/ssl/certs/ca-certificates.crt");
    let there = fs::read_to_string(&list).is_ok_and(|list| list.contains(anchor.pem.trim()));
    let problem = if facts.undo { "it is still in the list" } else { "it is not in the list" };
    let outcome = if there == facts.undo { Err(String::from(problem)) } else { Ok(()) };
    Some((format!("look into {}", list.display()), Some(outcome)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_good_for_paths_and_shells() {
        let name = |subject: &str| {
            let details = crate::tls::CertificateDetails {
                subject: subject.to_owned(),
                issuer: String::new(),
                serial: String::new(),
                not_before: std::time::SystemTime::UNIX_EPOCH,
                not_after: std::time::SystemTime::UNIX_EPOCH,
                names: Vec::new(),
                key: String::new(),
                signature: String::new(),
                fingerprint: String::new(),
                authority: true,
                path_length: None,
                permitted: Vec::new(),
                excluded: Vec::new(),
                self_signed: true,
            };
            name(&TrustAnchor { details, pem: String::new() })
        };
        for (subject, expected) in [
            ("O=Clearway, CN=Clearway local CA for ml.corp", "clearway-local-ca-for-ml.corp"),
            ("CN=../../etc/passwd", "clearway-etc-passwd"),
            ("O=Corp, CN=Corp Root $(x), C=DE", "clearway-corp-root---x"),
            ("O=No Name", "clearway-o-no-name"),
        ] {
            assert_eq!(name(subject), expected);
        }
    }
}
