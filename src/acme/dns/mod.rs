//! Challenges that are answered by records in the DNS.
//!
//! Owns: writing and removing the records, by a program or by signed updates, and knowing when they can be seen.
//! What was written is noted in the folder first, so that the next order removes what one that was cut off left behind.
//! Limits: `acme.dns.hook_timeout`, `acme.dns.propagation_timeout`; 5 s for an answer of a server.

mod error;
mod hook;
mod key;
mod look;
mod record;
mod update;
mod wire;

pub(super) use error::DnsError;
pub(super) use record::DnsRecord;

use super::folder::Folder;
use crate::domain::settings::DnsSettings;
use crate::runtime::Deadline;
use serde_json::Value;
use update::Change;

/// Records that an authority is to see. To be taken back.
#[must_use = "the records stay until they are taken back"]
pub(super) struct DnsAnswers<'a> {
    settings: &'a DnsSettings,
    folder: &'a Folder,
    records: Vec<DnsRecord>,
}

impl<'a> DnsAnswers<'a> {
    /// Writes `records` and waits until they can be seen.
    ///
    /// # Errors
    /// `DnsError`; what was written is removed then.
    ///
    /// # Cancel safety
    /// What was written is removed by the next `sweep`.
    pub(super) async fn put(
        settings: &'a DnsSettings,
        folder: &'a Folder,
        records: Vec<DnsRecord>,
    ) -> Result<Self, DnsError> {
        let noted = Value::from(records.iter().map(DnsRecord::to_json).collect::<Vec<_>>()).to_string();
        folder.keep_records(&noted).map_err(DnsError::Folder)?;
        let answers = Self { settings, folder, records };
        match answers.write().await {
            Ok(()) => Ok(answers),
            Err(error) => {
                answers.take_back().await;
                Err(error)
            }
        }
    }

    async fn write(&self) -> Result<(), DnsError> {
        for record in &self.records {
            change(self.settings, Change::Put, record).await?;
            tracing::debug!(name = record.name, "a record for the authority is written");
        }
        if self.settings.look {
            look::await_shown(self.settings, &self.records).await?;
        }
        Deadline::after(self.settings.propagation_delay).wait().await;
        Ok(())
    }

    /// Removes them. One that cannot be removed harms nobody: its challenge is over.
    pub(super) async fn take_back(self) {
        for record in &self.records {
            if let Err(error) = change(self.settings, Change::TakeBack, record).await {
                tracing::warn!(name = record.name, value = record.value, %error, "a record could not be removed");
            }
        }
        drop(self.folder.forget_records());
    }
}

/// Removes what an order that was cut off has left behind.
pub(super) async fn sweep(settings: &DnsSettings, folder: &Folder) {
    let Some(noted) = folder.records() else { return };
    let noted = serde_json::from_str::<Value>(&noted).unwrap_or_default();
    let records = noted.as_array().into_iter().flatten().filter_map(DnsRecord::from_json).collect();
    if settings.is_set() {
        DnsAnswers { settings, folder, records }.take_back().await;
    }
}

async fn change(settings: &DnsSettings, change: Change, record: &DnsRecord) -> Result<(), DnsError> {
    match settings.hook.is_empty() {
        true => update::update(settings, change, record).await,
        false => hook::run(settings, change, record).await,
    }
}
