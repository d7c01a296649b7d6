//! The composition root: the only code that knows every part.
//!
//! Owns: building the parts from `Settings`, starting them, replacing them on reload, stopping them.

mod agenda;
mod build;
mod build_error;
mod causes;
mod certificates;
mod commands;
mod control;
mod crew;
mod default_keys;
mod demo;
mod exporting;
mod feed;
mod handover;
mod inspection;
mod inventory;
mod keeping;
mod lifecycle;
mod listeners;
mod manager;
mod picture;
mod rehearsal;
mod reload;
mod running;
mod showing;
mod status;
mod upgrade;
mod upkeep;
mod watch;
mod worker;

pub use build::App;
pub use build_error::BuildError;
pub use certificates::{CertificateError, Certificates, authority_file};
pub use demo::Demo;
pub use handover::{GivenSocket, Handover, activated};
pub use inspection::Finding;
pub use inventory::{CertificateSource, Inventory, InventoryEntry, inventory, local_authority_for};
pub use lifecycle::{Ended, RunError};
pub use reload::ConfigSource;

use crate::domain::settings::Settings;

/// What a start would say now of the files that `settings` name.
#[must_use]
pub fn inspect(settings: &Settings) -> Vec<Finding> {
    let mut found = inspection::inspect(settings);
    found.extend(showing::inspect(settings));
    found
}
