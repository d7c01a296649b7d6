//! Rules about the admin listener.

use super::super::problem::Problem;
use super::Checker;

impl Checker<'_> {
    /// What it shows is for whoever has this machine, or the token.
    pub(super) fn admin(&self) -> Vec<Problem> {
        let admin = &self.settings.admin_listener;
        if admin.token_file.is_some() {
            return Vec::new();
        }
        let open = admin.listen.iter().filter(|listen| !listen.socket_addr().ip().to_canonical().is_loopback());
        open.map(|listen| {
            let message = format!("{listen} can be reached from other machines, and no token is demanded");
            self.error("admin.listen", message)
                .hint("listen on 127.0.0.1 or [::1], or name a file with a token in admin.token_file")
        })
        .collect()
    }
}
