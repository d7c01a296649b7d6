//! The lines a client needs to reach the three services through the proxy.
//!
//! Owns: their text. Leaves: printing them, and finding the CA file, to `cli`.

use crate::domain::names::{HostName, ServiceName};

/// The `api` section for `clearml.conf`, ready to paste. With `ca_file`, the private CA is named both there and, as
/// comments, for the shell: a `REQUESTS_CA_BUNDLE` that is already set wins over `verify_certificate`.
///
/// Source: clearml `backend_api/utils.py` (`api.verify_certificate` is a bool or a path), `session/session.py`.
#[must_use]
pub fn client_conf(domain: &HostName, https_port: u16, ca_file: Option<&str>) -> String {
    let url = |service| {
        let host = domain.with_label(service);
        if https_port == 443 { format!("https://{host}") } else { format!("https://{host}:{https_port}") }
    };
    let mut text = String::from("api {\n");
    for (key, service) in
        [("web_server", ServiceName::App), ("api_server", ServiceName::Api), ("files_server", ServiceName::Files)]
    {
        text.push_str(&format!("    {key}: \"{}\"\n", url(service)));
    }
    match ca_file {
        Some(file) => {
            text.push_str(&format!("    verify_certificate: {}\n}}\n{}", hocon_string(file), shell_lines(file)))
        }
        None => text.push_str("    verify_certificate: true\n}\n"),
    }
    text
}

fn shell_lines(ca_file: &str) -> String {
    let quoted = format!("'{}'", ca_file.replace('\'', r"'\''"));
    format!(
        "# For agents, curl and other Python programs, in the shell that starts them:\n#   export REQUESTS_CA_BUNDLE={quoted}\n#   export CURL_CA_BUNDLE={quoted}\n"
    )
}

fn hocon_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> HostName {
        HostName::parse("clearml.example.com").unwrap()
    }

    #[test]
    fn a_public_certificate_needs_three_urls_only() {
        assert_eq!(
            client_conf(&domain(), 443, None),
            "api {\n    web_server: \"https://app.clearml.example.com\"\n    api_server: \
             \"https://api.clearml.example.com\"\n    files_server: \"https://files.clearml.example.com\"\n    \
             verify_certificate: true\n}\n"
        );
    }

    #[test]
    fn other_ports_are_named() {
        assert!(client_conf(&domain(), 8443, None).contains("\"https://files.clearml.example.com:8443\"\n"));
    }

    #[test]
    fn a_private_ca_is_named_for_the_sdk_and_for_the_shell() {
        let text = client_conf(&domain(), 443, Some("/o'k \"ca\".pem"));
        assert!(text.contains("verify_certificate: \"/o'k \\\"ca\\\".pem\"\n"), "{text}");
        assert!(text.contains("#   export REQUESTS_CA_BUNDLE='/o'\\''k \"ca\".pem'\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with([' ', '#', 'a', '}'])), "{text}");
    }
}
