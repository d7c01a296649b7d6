//! What a client needs to reach the three services through the proxy.
//!
//! Owns: the text, in three forms. Leaves: printing them, and finding the CA file, to `cli`.

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
    let verify = ca_file.map_or_else(|| String::from("true"), quoted);
    text.push_str(&format!("    verify_certificate: {verify}\n}}\n"));
    if let Some(file) = ca_file {
        text.push_str(&format!("sdk.api.verify_certificate: {verify}  # for uploads and downloads\n"));
        text.push_str(&shell_lines(file));
    }
    text
}

/// The same for the shell that starts an SDK, an agent, or any other program. `CLEARML_API_HOST_VERIFY_CERT` is not
/// among them: it may be a path for the SDK, but only true or false for an agent.
///
/// Source: clearml `backend_api/session/defs.py`; clearml-agent `backend_api/session/defs.py`; `requests` and curl for
/// the last two, which win over `verify_certificate`.
#[must_use]
pub fn client_env(urls: &PerService<String>, ca_file: Option<&str>) -> String {
    let PerService { app, api, files } = urls;
    let mut pairs = vec![("CLEARML_WEB_HOST", app), ("CLEARML_API_HOST", api), ("CLEARML_FILES_HOST", files)];
    let ca_file = ca_file.map(str::to_owned);
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        pairs.extend(ca_file.as_ref().map(|file| (name, file)));
    }
    pairs.into_iter().map(|(name, value)| format!("export {name}={}\n", shell_string(value))).collect()
}

/// What a ClearML Server's own compose file has to be told, as an override that stands beside it: the public URLs for
/// what writes them into tasks and deletes stored files by them, and the CA for what calls them.
///
/// Source: clearml-server `docker/docker-compose.yml`.
#[must_use]
pub fn client_compose(urls: &PerService<String>, ca_file: Option<&str>) -> String {
    let PerService { app, api, files } = urls;
    let prefixes = format!(
        "    environment:\n      CLEARML_FILES_HOST: {}\n      # Instead of those that stood there: add the URLs that \
         older tasks have.\n      CLEARML__services__async_urls_delete__fileserver__url_prefixes: {}\n",
        quoted(files),
        quoted(&format!("[{files}]"))
    );
    let mut text = format!("services:\n  apiserver:\n{prefixes}  async_delete:\n{prefixes}  agent-services:\n");
    text.push_str(&format!(
        "    environment:\n      CLEARML_WEB_HOST: {}\n      CLEARML_API_HOST: {}\n      CLEARML_FILES_HOST: {}\n",
        quoted(app),
        quoted(api),
        quoted(files)
    ));
    if let Some(file) = ca_file {
        text.push_str(&format!("      REQUESTS_CA_BUNDLE: \"{CA_IN_CONTAINER}\"\n    volumes:\n"));
        text.push_str(&compose_mount(file, CA_IN_CONTAINER));
    }
    text
}

/// An entry of `volumes`: `source` for reading. A file that is not there yet stops the start; the short form would make
/// a folder of its name, which then stands in the file's way.
///
/// Source: the Compose Specification, `volumes`, `bind.create_host_path`.
#[must_use]
pub fn compose_mount(source: &str, target: &str) -> String {
    let [source, target] = [source, target].map(|path| quoted(&path.replace('$', "$$")));
    format!(
        "      - type: bind\n        source: {source}\n        target: {target}\n        read_only: true\n        \
         bind: {{ create_host_path: false }}\n"
    )
}

/// The section that makes a server's login cookie good for all hosts below `domain`.
///
/// Source: ClearML's documentation, "Sub-domains and load balancers".
#[must_use]
pub fn cookie_section(domain: &str) -> String {
    format!(
        "auth {{\n  cookies {{\n    httponly: true\n    secure: true\n    domain: \".{domain}\"\n    \
         max_age: 99999999999\n  }}\n}}\n"
    )
}

/// Where a proxy beside the server's containers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyPlace {
    /// On the same host, where it asks the published ports.
    Host,
    /// In the network of the containers.
    Network,
    /// On another machine, which has to reach the published ports.
    Elsewhere,
}

/// As `client_compose`, and the ports closed that would lead past the proxy. Compose 2.24 or newer reads the tags.
///
/// Source: the Compose Specification, "Merge" (`!override`, `!reset`).
#[must_use]
pub fn server_override(urls: &PerService<String>, ca_file: Option<&str>, place: ProxyPlace) -> String {
    let ports = |outside: u16, inside: u16| match place {
        ProxyPlace::Host => format!("    ports: !override [\"127.0.0.1:{outside}:{inside}\"]\n"),
        ProxyPlace::Network => String::from("    ports: !reset []\n"),
        ProxyPlace::Elsewhere => String::new(),
    };
    let mut base = client_compose(urls, ca_file);
    if place == ProxyPlace::Network {
        // The public names lead to the proxy in this network alone.
        base = base.replacen("  agent-services:\n", "  agent-services:\n    networks: [backend, frontend]\n", 1);
    }
    let base = base.replacen("  apiserver:\n", &format!("  apiserver:\n{}", ports(8008, 8008)), 1);
    if place == ProxyPlace::Elsewhere {
        return base;
    }
    format!("{base}  fileserver:\n{}  webserver:\n{}", ports(8081, 8081), ports(8080, 80))
}

/// Where a container finds the CA.
pub const CA_IN_CONTAINER: &str = "/etc/clearway/ca.pem";

fn shell_lines(ca_file: &str) -> String {
    let file = shell_string(ca_file);
    format!(
        "# For curl and other Python programs, in the shell that starts them:\n\
         #   export CURL_CA_BUNDLE={file} REQUESTS_CA_BUNDLE={file}\n"
    )
}

fn shell_string(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text in double quotes, as HOCON and YAML read it.
#[must_use]
pub fn quoted(text: &str) -> String {
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
        assert_eq!(
            client_env(&urls(), None),
            "export CLEARML_WEB_HOST='https://app.clearml.example.com'\nexport \
             CLEARML_API_HOST='https://api.clearml.example.com'\nexport \
             CLEARML_FILES_HOST='https://files.clearml.example.com'\n"
        );
        assert!(!client_compose(&urls(), None).contains("volumes"));
    }

    #[test]
    fn a_private_ca_is_named_for_logins_for_storage_and_for_the_shell() {
        let text = client_conf(&urls(), Some("/o'k \"ca\".pem"));
        assert!(text.contains("    verify_certificate: \"/o'k \\\"ca\\\".pem\"\n}\n"), "{text}");
        assert!(text.contains("\nsdk.api.verify_certificate: \"/o'k \\\"ca\\\".pem\"  #"), "{text}");
        assert!(text.contains(" REQUESTS_CA_BUNDLE='/o'\\''k \"ca\".pem'\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with([' ', '#', 'a', 's', '}'])), "{text}");
        let text = client_env(&urls(), Some("/o'k.pem"));
        for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
            assert!(text.contains(&format!("export {name}='/o'\\''k.pem'\n")), "{text}");
        }
        assert!(!text.contains("VERIFY_CERT"), "an agent takes it for true or false: {text}");
    }

    #[test]
    fn compose_gets_the_public_urls_and_the_ca() {
        let text = client_compose(&urls(), Some("/a$b/ca.pem"));
        for line in [
            "      CLEARML_FILES_HOST: \"https://files.clearml.example.com\"",
            "      CLEARML__services__async_urls_delete__fileserver__url_prefixes: \"[https://files.clearml.example.com]\"",
            "      CLEARML_API_HOST: \"https://api.clearml.example.com\"",
            "      REQUESTS_CA_BUNDLE: \"/etc/clearway/ca.pem\"",
            "        source: \"/a$$b/ca.pem\"",
            "        target: \"/etc/clearway/ca.pem\"",
            "        bind: { create_host_path: false }",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        let hint = text.lines().zip(text.lines().skip(1)).filter(|(_, line)| line.contains("url_prefixes"));
        assert!(hint.clone().count() == 2 && hint.clone().all(|(hint, _)| hint.contains("# ")), "{text}");
    }

    #[test]
    fn containers_that_follow_public_urls_are_in_the_network_where_those_lead_to_the_proxy() {
        let text = |place| server_override(&urls(), None, place);
        let joined = "  agent-services:\n    networks: [backend, frontend]\n";
        assert!(text(ProxyPlace::Network).contains(joined), "{}", text(ProxyPlace::Network));
        assert!(!text(ProxyPlace::Host).contains("networks") && !text(ProxyPlace::Elsewhere).contains("networks"));
    }
}
