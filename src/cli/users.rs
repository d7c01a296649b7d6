//! `clearway users check`: what is wrong with the fixed users in ClearML's `apiserver.conf`.

use super::args::UsersCheckArgs;
use super::output;
use crate::config::{Environment, UsersChecked, check_users, json};
use std::process::ExitCode;

/// Checks the file and reports; fails where the server would not start or somebody could not sign in.
pub(super) fn check(args: &UsersCheckArgs) -> ExitCode {
    let environment = Environment::of_process();
    let checked = check_users(args.file.as_deref(), &environment);
    if args.json {
        output::data(&as_json(&checked).to_string());
    } else {
        output::problems(&checked.problems, &environment);
        output::data(&summary(&checked));
    }
    if checked.broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn summary(checked: &UsersChecked) -> String {
    let verdict = match (checked.broken(), checked.problems.len()) {
        (true, _) => "not usable",
        (false, 0) => "in order",
        (false, _) => "usable, with warnings",
    };
    let users = if checked.users.is_empty() { String::from("none") } else { checked.users.join(", ") };
    format!("file:        {}\nusers:       {users}\nfixed users: {verdict}", checked.file.display())
}

fn as_json(checked: &UsersChecked) -> serde_json::Value {
    serde_json::json!({
        "usable": !checked.broken(),
        "file": checked.file.display().to_string(),
        "users": checked.users,
        "problems": checked.problems.iter().map(json).collect::<Vec<_>>(),
    })
}
