//! The generated pages in the repository are what the program generates.

#![allow(clippy::unwrap_used, reason = "a failing step should fail the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn check(page: &str, file: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_clearway")).args(["reference", page]).output().unwrap();
    assert!(output.status.success());
    let generated = String::from_utf8(output.stdout).unwrap();
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
    assert!(kept == generated, "{file} is out of date: cargo run -q -- reference {page} > {file}");
}

#[test]
fn proxy_conf_is_up_to_date() {
    check("proxy-conf", "config/proxy.conf");
}

#[test]
fn findings_page_is_up_to_date() {
    check("findings", "docs/reference/findings.md");
}

#[test]
fn configuration_page_is_up_to_date() {
    check("configuration", "docs/reference/configuration.md");
}

#[test]
fn metrics_page_is_up_to_date() {
    check("metrics", "docs/reference/metrics.md");
}

#[test]
fn tls_policies_are_what_the_page_says() {
    check("tls-policies", "docs/reference/tls-policies.md");
}

#[test]
fn commands_page_is_up_to_date() {
    check("commands", "docs/reference/commands.md");
}
