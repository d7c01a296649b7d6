//! `clearway certs issue`: a new certificate, signed by the local CA or another authority.

use super::super::output;
use super::args::IssueArgs;
use super::{Done, day, failure, settings};
use crate::app::local_authority_for;
use crate::domain::names::NamePattern;
use crate::domain::settings::CertificateFiles;
use crate::runtime::wall;
use crate::tls::{IssuedLeaf, Signer};
use serde_json::json;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Makes it, and writes the two files.
pub(super) fn issue(args: &IssueArgs) -> Done {
    let names = args.names.iter().map(|name| pattern(name)).collect::<Result<Vec<_>, _>>()?;
    let files = authority(args, &names)?;
    let first = args.names.first().map(|name| name.to_ascii_lowercase().replace('*', "_wildcard")).unwrap_or_default();
    let [chain, key] = ["pem", "key"].map(|end| args.out.join(format!("{first}.{end}")));
    if !args.force {
        // Before anything is made: half of a pair helps nobody.
        for file in [&chain, &key] {
            absent(file)?;
        }
    }
    let now = wall();
    let signer = Signer::load(&files, now).map_err(|error| failure(&error, &error.hint()))?;
    let life = Duration::from_secs(u64::from(args.days) * 24 * 3600);
    let issued = signer.issue(&names, life, now).map_err(|error| failure(&error, &error.hint()))?;
    for (file, text, mode) in [(&key, issued.key.as_str(), 0o600), (&chain, issued.chain.as_str(), 0o644)] {
        write(file, text, mode, args.force).map_err(|error| {
            failure(
                &format!("cannot write {}: {error}", file.display()),
                "make the folder writable, or give another as --out",
            )
        })?;
    }
    report(args, &signer, &issued, &chain, &key);
    Ok(true)
}

fn report(args: &IssueArgs, signer: &Signer, issued: &IssuedLeaf, chain: &Path, key: &Path) {
    let [chain, key] = [chain, key].map(|file| file.display().to_string());
    if args.json {
        let text = json!({
            "chain": chain,
            "key": key,
            "names": args.names,
            "authority": signer.file().display().to_string(),
            "not_after": crate::admin::timestamp(issued.not_after),
        });
        output::data(&text.to_string());
        return;
    }
    output::data(&format!(
        "chain: {chain}\nkey:   {key}\ngood until {}, signed by {}",
        day(issued.not_after),
        signer.file().display()
    ));
}

fn pattern(name: &str) -> Result<NamePattern, String> {
    NamePattern::parse(name).map_err(|error| failure(&format!("{name}: {error}"), "give a host name, or *. and a name"))
}

/// The authority that was given, else that of the configuration, else the local one that may sign.
fn authority(args: &IssueArgs, names: &[NamePattern]) -> Result<CertificateFiles, String> {
    if let Some((chain, key)) = args.ca.clone().zip(args.ca_key.clone()) {
        return Ok(CertificateFiles { chain, key });
    }
    let settings = settings(&args.source)?;
    if let Some(files) = settings.local_ca.files() {
        return Ok(files);
    }
    let (files, permitted) = local_authority_for(&settings, names);
    files.ok_or_else(|| {
        let may = permitted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        failure(
            &format!("no local CA of this configuration may issue for {}", args.names.join(", ")),
            &match may.is_empty() {
                true => String::from("name the configuration's domain, or give --ca and --ca-key"),
                false => format!("it may issue for {may} and names below; give --ca and --ca-key for others"),
            },
        )
    })
}

fn absent(file: &Path) -> Result<(), String> {
    match std::fs::symlink_metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => Err(failure(
            &format!("{} is there already", file.display()),
            "give --force to replace it, or another --out",
        )),
    }
}

fn write(file: &PathBuf, text: &str, mode: u32, force: bool) -> io::Result<()> {
    if force {
        return crate::tls::replace_file(file, text, mode);
    }
    let mut new: File = File::options().write(true).create_new(true).mode(mode).open(file)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()
}
