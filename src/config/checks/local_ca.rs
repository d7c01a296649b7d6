//! Rules for leaves that are signed here.

use super::super::problem::Problem;
use super::Checker;

impl Checker<'_> {
    pub(super) fn local_ca(&self) -> Option<Problem> {
        let local = &self.settings.local_ca;
        let path = match (&local.certificate, &local.key) {
            (Some(_), None) => "local_ca.certificate",
            (None, Some(_)) => "local_ca.key",
            _ => return None,
        };
        let problem = self.error(path, "certificate and key of the authority belong together".into());
        Some(problem.hint("set both local_ca.certificate and local_ca.key, or neither"))
    }
}
