//! One record that shows that a name is ours.

use super::error::DnsError;
use hickory_proto::rr::Name;
use serde_json::{Value, json};

/// The label below which authorities look. Source: RFC 8555 section 8.4.
const LABEL: &str = "_acme-challenge";

/// A TXT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct DnsRecord {
    /// The name that is shown to be ours, without `*.`.
    pub(in super::super) domain: String,
    /// The record's name, without a final dot.
    pub(in super::super) name: String,
    pub(in super::super) value: String,
}

impl DnsRecord {
    /// The one for `domain`, which may begin with `*.`.
    pub(in super::super) fn of(domain: &str, value: String) -> Self {
        let domain = domain.strip_prefix("*.").unwrap_or(domain).to_owned();
        Self { name: format!("{LABEL}.{domain}"), domain, value }
    }

    pub(super) fn fqdn(&self) -> Result<Name, DnsError> {
        Name::from_ascii(format!("{}.", self.name)).map_err(|_| DnsError::NoZone(self.name.clone()))
    }

    /// As it is written down until it is taken back.
    pub(super) fn to_json(&self) -> Value {
        json!({ "domain": self.domain, "value": self.value })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        Some(Self::of(&text("domain")?, text("value")?))
    }
}
