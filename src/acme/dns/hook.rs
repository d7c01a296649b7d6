//! Records by a program of the operator's.

use super::error::DnsError;
use super::record::DnsRecord;
use super::update::Change;
use crate::domain::settings::DnsSettings;
use crate::runtime::{Deadline, run_program};

/// Lets the program do `change`.
pub(super) async fn run(settings: &DnsSettings, change: Change, record: &DnsRecord) -> Result<(), DnsError> {
    let action = match change {
        Change::Put => "present",
        Change::TakeBack => "cleanup",
    };
    let arguments = [action, &record.domain, &record.name, &record.value];
    let command = settings.hook.iter().map(String::as_str).chain(arguments).collect::<Vec<_>>();
    let environment = [
        ("CLEARWAY_ACME_ACTION", action),
        ("CLEARWAY_ACME_DOMAIN", &record.domain),
        ("CLEARWAY_ACME_RECORD", &record.name),
        ("CLEARWAY_ACME_VALUE", &record.value),
    ];
    let end = run_program(&command, &environment, Deadline::after(settings.hook_timeout)).await;
    let end = end.map_err(|error| DnsError::HookUnusable(settings.hook.first().cloned().unwrap_or_default(), error))?;
    let name = record.name.clone();
    match end.status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(DnsError::HookFailed { action, name, status, output: end.output }),
        None => Err(DnsError::HookLate { action, name, output: end.output }),
    }
}
