//! `clearway certs show`: one certificate in detail.

use super::super::output;
use super::args::ShowArgs;
use super::list::remarks;
use super::{Done, failure, settings};
use crate::admin::timestamp;
use crate::app::{CertificateSource, InventoryEntry, inventory};
use crate::domain::expiry::days_left;
use crate::runtime::wall;
use crate::tls::{CertificateDetails, LoadError, describe_file};
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;
use std::time::SystemTime;

/// Finds it, and prints.
pub(super) fn show(args: &ShowArgs) -> Done {
    let now = wall();
    let file = Path::new(&args.what);
    let (certificates, remarks, well) = if file.exists() { of_file(file, now)? } else { of_host(args, now)? };
    if args.json {
        let chain = certificates.iter().map(|details| as_json(details, now)).collect::<Vec<_>>();
        output::data(&json!({ "certificates": chain, "remarks": remarks }).to_string());
    } else {
        let chain = certificates.iter().enumerate().map(|(position, details)| text(position, details, now));
        output::data(&chain.chain(remarks).collect::<Vec<_>>().join("\n"));
    }
    Ok(well)
}

type Found = (Vec<CertificateDetails>, Vec<String>, bool);

fn of_file(file: &Path, now: SystemTime) -> Result<Found, String> {
    let found = describe_file(file, now).map_err(|error: LoadError| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        failure(&format!("{error}{cause}"), &error.hint())
    })?;
    let dates = found.certificates.iter().filter_map(|details| out_of_date(details, now));
    let remarks = dates.chain(found.warnings.iter().map(ToString::to_string)).collect::<Vec<_>>();
    let well = remarks.is_empty();
    Ok((found.certificates, remarks, well))
}

fn of_host(args: &ShowArgs, now: SystemTime) -> Result<Found, String> {
    let settings = settings(&args.source)?;
    let found = inventory(&settings, now);
    let wanted = args.what.to_ascii_lowercase();
    let covers = |entry: &&InventoryEntry| entry.covers.iter().any(|host| host.as_str() == wanted);
    // A certificate that cannot be used covers nothing, but is what was meant.
    let names = |entry: &&InventoryEntry| {
        entry.source != CertificateSource::Authority
            && entry.certificates.first().is_some_and(|leaf| leaf.names.contains(&wanted))
    };
    let entry = found.entries.iter().find(covers).or_else(|| found.entries.iter().find(names));
    let entry = entry.ok_or_else(|| {
        failure(
            &format!("no file and no certificate of the configuration is for {}", args.what),
            "`clearway certs list` shows what there is",
        )
    })?;
    Ok((entry.certificates.clone(), remarks(entry), entry.error.is_none()))
}

fn out_of_date(details: &CertificateDetails, now: SystemTime) -> Option<String> {
    let subject = &details.subject;
    if now > details.not_after {
        return Some(format!("{subject} has expired; renew it"));
    }
    (now < details.not_before).then(|| format!("{subject} is not valid yet; check this machine's clock"))
}

fn text(position: usize, details: &CertificateDetails, now: SystemTime) -> String {
    let list = |names: &[String]| if names.is_empty() { String::from("none") } else { names.join(", ") };
    let mut lines = vec![format!("[{position}] {}", details.subject)];
    let mut line = |name: &str, value: String| lines.push(format!("    {name:12} {value}"));
    line("issuer", if details.self_signed { String::from("itself") } else { details.issuer.clone() });
    line("names", list(&details.names));
    line("valid from", timestamp(details.not_before));
    line("valid to", format!("{} ({} days left)", timestamp(details.not_after), days_left(now, details.not_after)));
    line("key", details.key.clone());
    line("signed with", details.signature.clone());
    line("serial", details.serial.clone());
    line("SHA-256", details.fingerprint.clone());
    if details.authority {
        let depth = details.path_length.map_or_else(|| String::from("any number"), |length| length.to_string());
        line("authority", format!("yes; {depth} of authorities below it"));
        line(
            "may issue",
            if details.permitted.is_empty() { String::from("any name") } else { details.permitted.join(", ") },
        );
        if !details.excluded.is_empty() {
            line("but not", details.excluded.join(", "));
        }
    }
    lines.join("\n")
}

fn as_json(details: &CertificateDetails, now: SystemTime) -> Value {
    json!({
        "subject": details.subject,
        "issuer": details.issuer,
        "self_signed": details.self_signed,
        "names": details.names,
        "not_before": timestamp(details.not_before),
        "not_after": timestamp(details.not_after),
        "days_left": days_left(now, details.not_after),
        "key": details.key,
        "signature": details.signature,
        "serial": details.serial,
        "fingerprint": details.fingerprint,
        "authority": details.authority,
        "path_length": details.path_length,
        "permitted": details.permitted,
        "excluded": details.excluded,
    })
}
