//! Text in, `Settings` out.
//!
//! `load` is the way in. A value passes through: `parse` (files) or `value` (variables) to a `tree` with origins,
//! layers merge in `tree`, `walk` and `read` put them into `Settings` by the table in `keys`, `checks` looks at the
//! whole. What is wrong is a `Problem`; all of them are gathered before anything fails.

mod change;
mod checks;
mod client_rules;
mod discovery;
mod environment;
mod flags;
mod keys;
mod load;
mod parse;
mod problem;
mod read;
mod reference;
mod render;
mod server_conf;
mod slot;
mod starter;
mod suggest;
mod targets;
mod tree;
mod units;
mod users;
mod value;
mod variables;
mod walk;

pub use change::{changed_keys, hold_back};
pub use environment::Environment;
pub use flags::Overrides;
pub use load::{Basis, LoadRequest, Loaded, candidates, load};
pub use problem::{Origin, Problem, Problems, Severity, Source};
pub use reference::{configuration, proxy_conf};
pub use render::{json, render};
pub use server_conf::{ServerConf, read_server_conf};
pub use starter::{Starter, StarterCertificate, StarterNames, starter_conf};
pub use units::parse_duration;
pub use users::{UsersChecked, check_users};
