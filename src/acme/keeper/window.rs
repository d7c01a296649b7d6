//! When the authority would like a certificate to be renewed.

use super::super::order::certificate_id;
use super::super::order_error::OrderError;
use super::{Keeper, rfc3339};
use crate::domain::renewal::Window;
use crate::tls::LoadedCertificate;
use std::time::{Duration, SystemTime};

/// Between two questions for the window, unless the authority names another time.
const WINDOW_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// The bounds of what it names. Source: RFC 9773 section 4.3.2.
const WINDOW_EVERY_MIN: Duration = Duration::from_secs(60);
const WINDOW_EVERY_MAX: Duration = Duration::from_secs(24 * 3_600);

impl Keeper {
    /// Asks when the authority would like `certificate` to be renewed. One that cannot say changes nothing.
    pub(super) async fn ask_for_window(&mut self, certificate: &LoadedCertificate, now: SystemTime) {
        if now < self.window_due {
            return;
        }
        self.window_due = now + WINDOW_EVERY;
        let Some(id) = certificate_id(certificate) else { return };
        let turn = self.issuer(certificate);
        let accounts = self.folder.beside(self.authority(turn));
        let access = self.access(turn, &accounts);
        let asked = async {
            match access.kept().await? {
                Some(account) => Ok::<_, OrderError>(Some(account.renewal_info(&id).await?)),
                None => Ok(None),
            }
        };
        match asked.await {
            Ok(Some((info, again))) => {
                let window = info.suggested_window;
                let window = Window { start: window.start.into(), end: window.end.into() };
                if self.window != Some(window) {
                    let (start, end) = (rfc3339(window.start), rfc3339(window.end));
                    tracing::info!(
                        start,
                        end,
                        explanation = info.explanation_url,
                        "the authority names a window for the renewal"
                    );
                }
                self.window = Some(window);
                self.window_due = now + again.clamp(WINDOW_EVERY_MIN, WINDOW_EVERY_MAX);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "the authority does not say when to renew"),
        }
    }
}
