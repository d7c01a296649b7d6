//! `hash-password` and `users check`, through the real binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing step should fail the test")]

use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The documented example: `123456`, hashed by Python's `bcrypt`.
const DOCUMENTED: &str = "JDJiJDEyJDk3OHBFcHFlNEsxTkFoZDlPcGZsbC5sU1pmM3huZ1RpeHc0ay5WUjlzTzN5WE1WRXJrUmhp";

/// Exit code, standard output, standard error.
fn run(args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearway"));
    command.args(args).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments does not read.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A copy that only its owner can read, as the real file should be.
fn private_copy(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apiserver.conf");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/users").join(name);
    fs::copy(data, &file).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    (folder, file)
}

fn check(file: &Path) -> (i32, Value) {
    let (code, stdout, stderr) = run(&["users", "check", "--json", &file.display().to_string()], "");
    assert_eq!(stderr, "");
    (code, serde_json::from_str(&stdout).unwrap())
}

#[test]
fn a_hashed_password_fits_itself_only() {
    for password in ["correct horse", "pässwörd ☃", "  spaces kept  ", &"x".repeat(72)] {
        let (code, hash, stderr) = run(&["hash-password", "--cost", "10"], &format!("{password}\n"));
        assert_eq!((code, stderr.as_str()), (0, ""));
        let verify = |text: &str| run(&["hash-password", "--verify", hash.trim()], text).0;
        assert_eq!(verify(&format!("{password}\r\n")), 0, "{password}");
        assert_eq!(verify(&format!("{password}!").replacen('x', "y", 1)), 1, "{password}");
    }
}

#[test]
fn the_documented_hash_is_read_in_all_its_spellings() {
    for hash in [DOCUMENTED.to_owned(), format!("b'{DOCUMENTED}'")] {
        assert_eq!(run(&["hash-password", "--verify", &hash], "123456\n").0, 0, "{hash}");
        assert_eq!(run(&["hash-password", "--verify", &hash], "1234567\n").0, 1, "{hash}");
    }
}

#[test]
fn what_bcrypt_would_change_is_refused() {
    for (password, message) in [
        (String::from("\n"), "the password is empty"),
        ("é".repeat(37), "the password has 74 bytes; bcrypt takes at most 72"),
        (String::from("a\0b"), "zero byte"),
    ] {
        let (code, stdout, stderr) = run(&["hash-password", "--cost", "10"], &password);
        assert_eq!((code, stdout.as_str()), (1, ""), "{password:?}");
        assert!(stderr.contains(message), "{stderr}");
    }
    let (code, _, stderr) = run(&["hash-password", "--verify", "nonsense"], "x\n");
    assert_eq!(code, 1);
    assert!(stderr.contains("no bcrypt hash"), "{stderr}");
    assert_eq!(run(&["hash-password", "--cost", "4"], "x\n").0, 2);
}

#[test]
fn good_users_are_in_order() {
    let (_folder, file) = private_copy("good.conf");
    let (code, report) = check(&file);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(report["users"][0], "jane");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let (code, report) = check(&file);
    assert_eq!(code, 0);
    assert!(report["problems"][0]["message"].as_str().unwrap().contains("everybody on this machine"), "{report}");
}

#[test]
fn every_mistake_is_named_with_its_place_and_no_password() {
    let (_folder, file) = private_copy("broken.conf");
    let (code, report) = check(&file);
    assert_eq!(code, 1);
    let found = report["problems"].as_array().unwrap();
    for (key, line, words) in [
        ("auth.fixed_users.users[0].password", 6, "still has Python's b'...'"),
        ("auth.fixed_users.users[1].password", 7, "is no bcrypt hash in base64"),
        ("auth.fixed_users.users[1].name", 7, "\"Jane Doe\" is there twice"),
        ("auth.fixed_users.users[2].password", 8, "the password is a number"),
        ("auth.fixed_users.users[2].username", 8, "\"jane\" is there twice"),
        ("auth.fixed_users.users[3].password", 9, "the user has no password"),
        ("auth.fixed_users.users[3].pasword", 9, "a user has no field \"pasword\""),
    ] {
        let problem = found.iter().find(|problem| problem["key"] == key && problem["origin"]["line"] == line);
        let problem = problem.unwrap_or_else(|| panic!("{key} at {line}: {report:#}"));
        assert!(problem["message"].as_str().unwrap().contains(words), "{problem}");
    }
    let (_, stdout, stderr) = run(&["users", "check", &file.display().to_string()], "");
    assert!(stdout.contains("fixed users: not usable"), "{stdout}");
    assert!(stderr.contains("clearway hash-password"), "{stderr}");
    let messages = found.iter().map(|problem| format!("{}{}", problem["message"], problem["hint"])).collect::<String>();
    for said in [messages, stdout, stderr] {
        assert!(!said.contains("correct horse") && !said.contains("12345678"), "{said}");
    }
}

#[test]
fn users_that_are_off_or_plain_are_warned_about() {
    let (folder, file) = private_copy("good.conf");
    for (text, code, words) in [
        ("auth { cookies { secure: true } }", 0, "fixed users are off"),
        ("auth.fixed_users { enabled: false, users: [] }", 1, "nobody can sign in"),
        (
            "auth.fixed_users { enabled: true, users: [{username: a, password: \"long secret\", name: A}] }",
            0,
            "stands in the file as it is",
        ),
        (
            &format!("auth.fixed_users {{ enabled: true, users: [{{username: a, password: {DOCUMENTED}, name: A}}] }}"),
            1,
            "pass_hashed is false",
        ),
        ("auth.fixed_users { enabled: true, users: { a: 1 } }", 1, "not a list"),
        ("auth.fixed_users { enabled: true", 1, ""),
    ] {
        fs::write(&file, text).unwrap();
        let (is, report) = check(&file);
        assert_eq!(is, code, "{text}: {report}");
        assert!(report["problems"].to_string().contains(words), "{text}: {report}");
    }
    let (code, report) = check(&folder.path().join("nowhere.conf"));
    assert_eq!(code, 1);
    assert!(report["problems"][0]["message"].as_str().unwrap().contains("cannot be read"), "{report}");
}

#[test]
fn the_file_is_found_as_the_server_finds_it() {
    let (folder, _file) = private_copy("good.conf");
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearway"));
    command.args(["users", "check"]).env_clear().env("CLEARML_CONFIG_DIR", folder.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().contains("jane"));
}
