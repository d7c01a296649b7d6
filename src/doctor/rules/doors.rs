//! Names, ports and certificates.

use super::super::evidence::{Door, Evidence, TlsSeen};
use super::super::finding::{Code, Finding};
use crate::tls::ChainFault;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// Renewal is due at 30 days; with less than this it has failed for a while.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = evidence.doors.iter().flat_map(|door| judge_door(door, evidence.now)).collect::<Vec<_>>();
    findings.extend(apart(&evidence.doors));
    findings
}

fn judge_door(door: &Door, now: SystemTime) -> Vec<Finding> {
    let Door { host, port, addresses, reached, tls } = door;
    if let Err(why) = addresses {
        let change =
            format!("add a DNS record for {host} that leads to the proxy (A or AAAA; one for *.<domain> will do)");
        return vec![Finding::new(Code::NameUnresolved, host, why, change)];
    }
    match (reached, tls) {
        (Some(Err(why)), _) => {
            let change = format!("start the proxy, and open port {port} in the firewall and in the port mapping");
            vec![Finding::new(Code::PortClosed, format!("{host}:{port}"), why, change)]
        }
        (_, Some(Err(trouble))) if trouble.plain => {
            let change = format!("give port {port} a certificate, or use the port that has one");
            vec![Finding::new(Code::NotTls, format!("{host}:{port}"), &trouble.text, change)]
        }
        (_, Some(Err(trouble))) => {
            let change = "let the proxy speak TLS 1.2 or 1.3 and give it a certificate for this name";
            vec![Finding::new(Code::TlsFailed, format!("{host}:{port}"), &trouble.text, change)]
        }
        (_, Some(Ok(seen))) => judge_chain(host, seen, now),
        (_, None) => Vec::new(),
    }
}

fn judge_chain(host: &str, seen: &TlsSeen, now: SystemTime) -> Vec<Finding> {
    let mut findings = seen.faults.iter().map(|fault| of_fault(host, fault)).collect::<Vec<_>>();
    if seen.system_only {
        let evidence = "the chain leads to an authority of this system's list, and to none of Python's";
        let change = "export REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt where the SDK and agents run";
        findings.push(Finding::new(Code::CertificateSystemOnly, host, evidence, change));
    }
    let ends = seen.not_after.filter(|end| *end >= now && now + SOON > *end);
    findings.extend(ends.map(|end| {
        let change = "renew it; with `acme` Clearway does it by itself";
        Finding::new(Code::CertificateExpires, host, format!("it ends {}", date(end)), change)
    }));
    findings
}

fn of_fault(host: &str, fault: &ChainFault) -> Finding {
    let new = |code, evidence: String, change: &str| Finding::new(code, host, evidence, change);
    match fault {
        ChainFault::Expired(end) => {
            new(Code::CertificateExpired, format!("it ended {}", date(*end)), "renew it, and reload the proxy")
        }
        ChainFault::NotYetValid(begin) => {
            let change = "set the clock, or wait for the certificate's first day";
            new(Code::CertificateNotYet, format!("it begins {}", date(*begin)), change)
        }
        ChainFault::WrongName(names) => {
            let evidence = match names.as_slice() {
                [] => String::from("it names no host at all"),
                names => format!("it is for {}", names.join(", ")),
            };
            let change = format!("get one with {host} among its names (and the two others)");
            let above =
                |name: &String| name.strip_prefix("*.").is_some_and(|parent| host.ends_with(&format!(".{parent}")));
            let code = if names.iter().any(above) { Code::WildcardLevel } else { Code::CertificateName };
            new(code, evidence, &change)
        }
        ChainFault::Incomplete(issuer) => {
            let change = "put the issuer's certificate behind the leaf in the chain file (fullchain.pem, not cert.pem)";
            new(Code::CertificateIncomplete, format!("only the leaf is sent; its issuer is {issuer}"), change)
        }
        ChainFault::SelfSigned => {
            let change = "use a certificate of an authority (`acme`), or the local CA of Clearway, which clients can be \
                          given: `clearway client-config`";
            new(Code::CertificateSelfSigned, String::from("subject and issuer are the same"), change)
        }
        ChainFault::UnknownAuthority(issuer) => {
            let change = "give clients the authority's file (`clearway client-config --ca FILE` prints the lines), and \
                          doctor as --ca FILE";
            new(Code::CertificateUntrusted, format!("it leads to {issuer}"), change)
        }
        ChainFault::Other(why) => new(Code::CertificateUntrusted, why.clone(), "replace the certificate"),
    }
}

fn apart(doors: &[Door]) -> Option<Finding> {
    let sets = doors.iter().map(|door| door.addresses.iter().flatten().collect::<BTreeSet<_>>()).collect::<Vec<_>>();
    let known = sets.iter().filter(|set| !set.is_empty()).collect::<Vec<_>>();
    let first = known.first()?;
    if known.iter().all(|set| !set.is_disjoint(first)) {
        return None;
    }
    let told = doors.iter().filter_map(|door| {
        let addresses = door.addresses.as_ref().ok()?.iter().map(ToString::to_string).collect::<Vec<_>>();
        Some(format!("{}: {}", door.host, addresses.join(", ")))
    });
    let change = "where one proxy serves all three, let the three names lead to it";
    Some(Finding::new(Code::NamesApart, "DNS", told.collect::<Vec<_>>().join("; "), change))
}

fn date(moment: SystemTime) -> String {
    httpdate::fmt_http_date(moment)
}
