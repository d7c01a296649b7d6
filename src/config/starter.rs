//! A `proxy.conf` to start from, short and with its reasons; `reference` has every key.
//!
//! Owns: the text. Leaves: asking what goes into it, and writing it, to `cli`.

use crate::clearml::quoted;
use crate::domain::names::{HostName, PerService};

/// What a new configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// Which names are served.
    pub names: StarterNames,
    /// Where the certificate comes from.
    pub certificate: StarterCertificate,
    /// Where the services are, each as `host:port`.
    pub targets: PerService<String>,
    /// Whether the API server sets the cookie's domain itself.
    pub server_cookies: bool,
    /// Where the local CA, or what an authority gave, is kept; without it below the folder that the proxy starts in.
    pub folder: Option<String>,
}

/// The three ways of naming the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StarterNames {
    /// `app.`, `api.` and `files.` below one name.
    Domain(HostName),
    /// A name for each.
    Hosts(PerService<HostName>),
    /// One name with paths.
    Single(HostName),
}

/// The three ways to a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StarterCertificate {
    /// From files: chain and key.
    Files(String, String),
    /// From Let's Encrypt, which writes to this address.
    Acme(String),
    /// From a CA of the proxy's own.
    Local,
}

/// The text of the file.
#[must_use]
pub fn starter_conf(starter: &Starter) -> String {
    let Starter { names, certificate, targets, server_cookies, folder } = starter;
    let mut text = String::from(
        "# Clearway in front of a ClearML Server. Made by `clearway init`; yours to change.\n\
         # `clearway reference proxy-conf` prints every key, `clearway check` finds mistakes,\n\
         # `clearway doctor` looks at the whole set-up from the outside.\n\n",
    );
    text.push_str(&match names {
        StarterNames::Domain(domain) => format!(
            "# Whose app., api. and files. names are served. DNS leads the three to this proxy.\ndomain: \"{domain}\"\n"
        ),
        StarterNames::Hosts(PerService { app, api, files }) => format!(
            "# A name for each service. DNS leads the three to this proxy; the web UI is told the other two.\n\
             hosts {{\n  app: \"{app}\"\n  api: \"{api}\"\n  files: \"{files}\"\n}}\n"
        ),
        StarterNames::Single(host) => {
            format!("# One name: the web UI at /, the API below /api, files below /files.\nsingle_domain: \"{host}\"\n")
        }
    });
    let kept = folder.as_ref().map_or_else(
        || String::from("# It is `certs` where the proxy starts: below /var/lib/clearway with the systemd unit.\n"),
        |folder| format!("certificate_folder: {}\n", quoted(folder)),
    );
    text.push_str(&match certificate {
        StarterCertificate::Files(chain, key) => format!(
            "\n# The leaf first, then its issuers: without them the SDK hangs. New files take effect by themselves.\n\
             certificates: [ {{ chain: {}, key: {} }} ]\n",
            quoted(chain),
            quoted(key)
        ),
        StarterCertificate::Acme(mail) => format!(
            "\n# Certificates from Let's Encrypt, whose terms you agree to with this. It asks at port 80 or 443 of each name.\n\
             acme {{\n  enabled: true\n  email: {}\n}}\n\n# The folder of account and certificates; keep it.\n{kept}",
            quoted(mail)
        ),
        StarterCertificate::Local => format!(
            "\n# No certificate: the proxy makes a CA that can sign for these names only. Clients have to be given its ca.pem:\n\
             # `clearway client-config`. The folder of the CA; keep it.\n{kept}"
        ),
    });
    text.push_str("\n# The services, asked in plain http. Only this proxy should reach these ports.\nservices {\n");
    for (service, target) in targets.iter() {
        text.push_str(&format!("  {service} {{ targets: [{}] }}\n", quoted(target)));
    }
    text.push_str("}\n");
    if *server_cookies {
        text.push_str(
            "\n# The API server sets the login cookie's domain itself (auth.cookies in apiserver.conf).\nanswers.cookies: false\n",
        );
    }
    text
}
