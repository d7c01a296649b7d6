//! Shield: what protection remembers between requests; one for the process, and it outlives a reload.

use super::gate::TokenGate;
use super::logins::LoginShield;
use crate::domain::settings::Protection;
use crate::telemetry::KeyWatch;
use std::sync::Arc;

/// What is known of tokens, logins and published keys.
#[derive(Debug)]
pub struct Shield {
    pub(super) gate: TokenGate,
    pub(super) logins: Arc<LoginShield>,
    pub(super) keys: Arc<KeyWatch>,
}

impl Shield {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(rules: &Protection, keys: Arc<KeyWatch>) -> Self {
        Self { gate: TokenGate::new(rules.token_gate.checks.get()), logins: Arc::default(), keys }
    }
}
