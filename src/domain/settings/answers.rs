//! What is changed in the services' answers.

use std::time::Duration;

/// What is changed in the services' answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerSettings {
    /// Whether login cookies are made good for all hosts.
    pub cookies: bool,
    /// Whether the UI is told where the services are, when it would guess wrong.
    pub web_configuration: bool,
    /// How long browsers are to use https only; zero for no word about it.
    pub hsts: Duration,
    /// Whether the services' `Server` field is passed on.
    pub server: bool,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self { cookies: true, web_configuration: true, hsts: Duration::from_secs(365 * 24 * 3600), server: true }
    }
}
