//! Showing: the admin listener as the life cycle sees it.

use super::build_error::BuildError;
use super::inspection::Finding;
use super::listeners::{Listener, Role, copies};
use super::running::Running;
use crate::admin::{Entry, Token};
use crate::domain::settings::Settings;
use std::io;

/// Who may look, by `settings`.
///
/// # Errors
/// `BuildError` when the token cannot be had.
pub(super) fn entry(settings: &Settings) -> Result<Entry, BuildError> {
    let admin = &settings.admin_listener;
    let file = admin.token_file.as_deref().filter(|_| !admin.listen.is_empty());
    let token = file.map(Token::load).transpose().map_err(BuildError::AdminToken)?;
    Ok(Entry { names: admin.names.clone(), token })
}

/// What a start would say of the token now.
pub(super) fn inspect(settings: &Settings) -> Option<Finding> {
    let Err(BuildError::AdminToken(error)) = entry(settings) else { return None };
    let (file, message, hint) = (Some(error.file().to_owned()), error.to_string(), Some(error.hint().to_owned()));
    Some(Finding { key: "admin.token_file", file, message, hint, stops: true })
}

impl Running {
    /// Lets whoever it is for accept on `listener`; returns when they do.
    ///
    /// # Errors
    /// The operating system's, when a socket cannot be used.
    pub(super) async fn listen(&self, listener: &Listener) -> io::Result<()> {
        match listener.role {
            Role::Clients(kind) => self.crew.listen(kind, listener).await,
            Role::Admin => {
                let mut sockets = copies(&listener.sockets)?.into_iter();
                sockets.try_for_each(|socket| self.web.listen(socket, listener.shutdown.watch()))
            }
        }
    }
}
