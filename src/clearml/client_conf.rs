//! The lines a client needs to reach the three services through the proxy.
//!
//! Owns: their text. Leaves: printing them, and finding the CA file, to `cli`.

use crate::domain::names::{PerService, ServiceName};

/// The lines for `clearml.conf`, ready to paste. With `ca_file`, the private CA is named there twice, because the
/// SDK's storage calls look for `api.verify_certificate` below `sdk`; and once more, as comments, for other programs.
///
/// Source: clearml 2.1.12 `backend_api/utils.py` (a bool or a path), `storage/helper.py` and `config/__init__.py`
/// (`ConfigSDKWrapper`).
#[must_use]
pub fn client_conf(urls: &PerService<String>, ca_file: Option<&str>) -> String {
    let mut text = String::from("api {\n");
    for (key, service) in
        [("web_server", ServiceName::App), ("api_server", ServiceName::Api), ("files_server", ServiceName::Files)]
    {
        text.push_str(&format!("    {key}: \"{}\"\n", urls.get(service)));
    }
    let verify = ca_file.map_or_else(|| String::from("true"), hocon_string);
    text.push_str(&format!("    verify_certificate: {verify}\n}}\n"));
    if let Some(file) = ca_file {
        text.push_str(&format!("sdk.api.verify_certificate: {verify}  # for uploads and downloads\n"));
        text.push_str(&shell_lines(file));
    }
    text
}

fn shell_lines(ca_file: &str) -> String {
    let quoted = format!("'{}'", ca_file.replace('\'', r"'\''"));
    format!(
        "# For curl and other Python programs, in the shell that starts them:\n\
         #   export CURL_CA_BUNDLE={quoted} REQUESTS_CA_BUNDLE={quoted}\n"
    )
}

fn hocon_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls() -> PerService<String> {
        PerService::<()>::default().map(|service, ()| format!("https://{service}.clearml.example.com"))
    }

    #[test]
    fn a_public_certificate_needs_three_urls_only() {
        assert_eq!(
            client_conf(&urls(), None),
            "api {\n    web_server: \"https://app.clearml.example.com\"\n    api_server: \
             \"https://api.clearml.example.com\"\n    files_server: \"https://files.clearml.example.com\"\n    \
             verify_certificate: true\n}\n"
        );
    }

    #[test]
    fn a_private_ca_is_named_for_logins_for_storage_and_for_the_shell() {
        let text = client_conf(&urls(), Some("/o'k \"ca\".pem"));
        assert!(text.contains("    verify_certificate: \"/o'k \\\"ca\\\".pem\"\n}\n"), "{text}");
        assert!(text.contains("\nsdk.api.verify_certificate: \"/o'k \\\"ca\\\".pem\"  #"), "{text}");
        assert!(text.contains(" REQUESTS_CA_BUNDLE='/o'\\''k \"ca\".pem'\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with([' ', '#', 'a', 's', '}'])), "{text}");
    }
}
