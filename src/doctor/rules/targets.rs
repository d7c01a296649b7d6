//! The services behind the proxy, asked straight.

use super::super::evidence::{Evidence, Heard, TargetSeen, Unheard};
use super::super::finding::{Code, Finding};
use super::called;

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    evidence.targets.iter().filter_map(|target| judge_target(target, evidence)).collect()
}

fn judge_target(target: &TargetSeen, evidence: &Evidence) -> Option<Finding> {
    let TargetSeen { service, addr, answer, kind } = target;
    let key = format!("services.{service}.targets");
    let heard = match answer {
        Ok(heard) => heard,
        Err(why) => {
            let told = match why {
                Unheard::Unreachable(text) | Unheard::Broken(text) => text.clone(),
                Unheard::Silent => String::from("no answer in time"),
            };
            let change = format!("start {}, or correct {key}", called(*service));
            return Some(Finding::new(Code::TargetDown, format!("{key}: {addr}"), told, change));
        }
    };
    let subject = format!("{key}: {addr}");
    if is_proxy(heard) {
        let change = format!("let {key} name ClearML's own port, not the proxy's");
        return Some(Finding::new(Code::TargetLoop, subject, format!("{}, with X-Request-Id", heard.told()), change));
    }
    if heard.status.is_redirection() {
        let told = format!("{} to {}", heard.told(), heard.field("location").unwrap_or_default());
        let change = format!("let {key} name ClearML's own port; it speaks plain http and redirects nothing");
        return Some(Finding::new(Code::TargetRedirects, subject, told, change));
    }
    match kind {
        Some(found) if found != service => {
            let own = evidence.targets.iter().find(|other| other.kind == Some(*service));
            let change = match own {
                Some(own) => format!("{key}: [\"{}\"]", own.addr),
                None => format!("{key}: the address of {}", called(*service)),
            };
            Some(Finding::new(Code::TargetWrong, subject, format!("it answers like {}", called(*found)), change))
        }
        None if !heard.status.is_success() => {
            let change = format!("look at the log of {}", called(*service));
            Some(Finding::new(Code::TargetDown, subject, format!("its probe is answered {}", heard.told()), change))
        }
        _ => None,
    }
}

/// Clearway answers with a field that ClearML's servers do not have.
fn is_proxy(heard: &Heard) -> bool {
    heard.headers.contains_key("x-request-id")
}
