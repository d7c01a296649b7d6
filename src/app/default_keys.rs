//! Default keys: asks the own API server whether ClearML's published credentials open it, at start and daily.
//!
//! Owns: when it is asked, and what is said about the answer, once for each change. Leaves: the list and what an answer
//! means to `clearml`. Nothing is ever refused on the ground of what is found. What it is given, it does not keep: the
//! tokens end after a second.

use crate::clearml::{
    PUBLISHED_KEYS, PUBLISHED_SECRETS, SECRET_REMEDY, SHORT_LOGIN, TOKEN_QUESTION, bearer, lets_in, refused_for_age,
};
use crate::domain::names::{PerService, ServiceName};
use crate::domain::settings::Settings;
use crate::runtime::{Deadline, ShutdownWatch, wall};
use crate::telemetry::{KeyWatch, WorkerMetrics};
use crate::upstream::{Connector, Group, InquiryError, Question, Told, inquire};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// One question.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a round that was not answered: the API server may still be starting.
const AGAIN: Duration = Duration::from_secs(60);

/// Asks and says what it found.
#[derive(Debug)]
pub(super) struct DefaultKeyCheck {
    pub(super) settings: Arc<Settings>,
    pub(super) groups: Arc<PerService<Group>>,
    pub(super) keys: Arc<KeyWatch>,
    pub(super) metrics: WorkerMetrics,
}

impl DefaultKeyCheck {
    /// Asks again and again until the process drains.
    pub(super) async fn run(self, mut shutdown: ShutdownWatch) {
        let rules = &self.settings.protection.default_keys;
        if !rules.check {
            return;
        }
        loop {
            let round = async {
                let wait = match self.ask_all().await {
                    Ok(()) => rules.every,
                    Err(error) => {
                        tracing::debug!(%error, "published default credentials could not be checked");
                        AGAIN
                    }
                };
                Deadline::after(wait).wait().await;
            };
            tokio::select! {
                () = round => {}
                _ = shutdown.draining() => return,
            }
        }
    }

    /// One round; nothing is noted unless all of it was answered.
    async fn ask_all(&self) -> Result<(), InquiryError> {
        let mut accepted = Vec::new();
        for pair in PUBLISHED_KEYS {
            let told = self.ask("/v2.1/auth.login", &pair.authorization(), SHORT_LOGIN).await?;
            if lets_in(told.status, &told.body) {
                accepted.push(pair.name);
            }
        }
        let mut secret = None;
        for published in PUBLISHED_SECRETS {
            let told = self.ask(TOKEN_QUESTION, &bearer(&published.ended_token()), "").await?;
            if refused_for_age(told.status, &told.body) {
                secret = Some(published.name);
            }
        }
        self.tell(accepted, secret);
        Ok(())
    }

    async fn ask(&self, path: &str, authorization: &str, body: &str) -> Result<Told, InquiryError> {
        let (timeouts, limits) = (&self.settings.timeouts, &self.settings.limits);
        let connector = Connector::new(self.metrics.clone(), timeouts.connect, limits.answer_head.as_usize());
        let question = Question { path, authorization, body, client: None };
        let group = self.groups.get(ServiceName::Api);
        let told = inquire(&connector, group, question, Deadline::after(PATIENCE)).await?;
        // Too busy to say, or not an API server that is ready.
        let unsaid = told.status.is_server_error() || told.status == StatusCode::TOO_MANY_REQUESTS;
        if unsaid { Err(InquiryError::Broken(format!("the answer is {}", told.status))) } else { Ok(told) }
    }

    fn tell(&self, accepted: Vec<&'static str>, secret: Option<&'static str>) {
        let before = self.keys.known();
        let new = self.keys.set_accounts(accepted, wall());
        for pair in PUBLISHED_KEYS.iter().filter(|pair| new.contains(&pair.name)) {
            tracing::warn!(account = pair.name, remedy = pair.remedy, "a published default login opens this server");
        }
        if self.keys.set_token_secret(secret)
            && let Some(published_by) = secret
        {
            tracing::warn!(published_by, remedy = SECRET_REMEDY, "login tokens are signed with a published secret");
        }
        let after = self.keys.known();
        if !after.alarming() && (before.checked.is_none() || before.alarming()) {
            tracing::info!("no published default login or token secret opens this server");
        }
    }
}
