//! A scene: an imitated server behind an imitated proxy, looked at by the real doctor.

use super::certificates::{self, Kind, leaf};
use super::imitation::{Asked, Server, Told, serve};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a proxy makes of the services' answers: the whole request, and the answer without it.
pub(crate) type Change = fn(&Asked, Service, Told) -> Option<Told>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    App,
    Api,
    Files,
}

/// One set-up.
pub(crate) struct Scene {
    pub(crate) names: [&'static str; 3],
    pub(crate) server: Server,
    /// The certificate, and the names in it.
    pub(crate) certificate: (Kind, &'static [&'static str]),
    /// What the proxy does over https.
    pub(crate) proxy: Change,
    /// What it does over http; without it, as it should be.
    pub(crate) plain: fn(&Asked) -> Told,
    /// Targets behind it; without, nothing is known of them.
    pub(crate) targets: bool,
    /// One of them does something else.
    pub(crate) target: Change,
    /// Where names lead, besides 127.0.0.1.
    pub(crate) resolve: &'static str,
    pub(crate) apiserver_conf: &'static str,
    pub(crate) compose: &'static str,
    /// Whether doctor signs in.
    pub(crate) signs_in: bool,
    /// How the root becomes known.
    pub(crate) trust: Trust,
    /// Clients are told the plain port as if it spoke TLS.
    pub(crate) plain_as_https: bool,
    /// Nobody listens for https.
    pub(crate) closed: bool,
    pub(crate) more: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Flag,
    System,
}

pub(crate) const NAMES: [&str; 3] = ["app.clearml.test", "api.clearml.test", "files.clearml.test"];

impl Scene {
    /// All as it should be.
    pub(crate) fn good() -> Self {
        Self {
            names: NAMES,
            server: Server::good("clearml.test"),
            certificate: (Kind::Good, &NAMES),
            proxy: |_, _, told| Some(told),
            plain: |asked| match asked.method.as_str() {
                "GET" => Told::new(308, "").field(&format!("Location: https://{}{}", asked.host, asked.path)),
                _ => Told::new(403, "use https"),
            },
            targets: true,
            target: |_, _, told| Some(told),
            resolve: "*:127.0.0.1",
            apiserver_conf: "",
            compose: "",
            signs_in: true,
            trust: Trust::Flag,
            plain_as_https: false,
            closed: false,
            more: &[],
        }
    }

    /// What doctor says of it.
    pub(crate) fn look(self) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let clock = self.server.clock;
        let chain = leaf(self.certificate.0, self.certificate.1);
        let at = self.resolve.rsplit(':').next().filter(|addr| !addr.is_empty()).unwrap_or("127.0.0.1");
        let (server, names, proxy) = (self.server.clone(), self.names, self.proxy);
        let front = serve(&format!("{at}:0"), Some(&chain), clock, move |asked| {
            let service = service_of(&names, &asked.host)?;
            proxy(asked, service, own(&server, service, asked))
        });
        let plain = self.plain;
        let http = serve(&format!("{at}:0"), None, clock, move |asked| Some(plain(asked)));
        let targets = if self.targets { self.start_targets() } else { Vec::new() };
        let mut command = doctor(folder.path());
        let url = |name: &str| format!("https://{name}:{}", front.port());
        command.arg("--url").args(self.urls(front, http));
        command.args(["--http-port", &http.port().to_string()]);
        for (flag, addr) in ["--app-target", "--api-target", "--files-target"].iter().zip(&targets) {
            command.args([flag, addr.to_string().as_str()]);
        }
        command.args(["--resolve", self.resolve, "--resolve", "*:127.0.0.1"]);
        let root = folder.path().join("root.pem");
        std::fs::write(&root, certificates::root()).unwrap();
        match self.trust {
            Trust::Flag => command.arg("--ca").arg(&root).env("SSL_CERT_FILE", "/nowhere"),
            Trust::System => command.env("SSL_CERT_FILE", &root),
        };
        if self.signs_in {
            command.env("CLEARML_API_ACCESS_KEY", "key").env("CLEARML_API_SECRET_KEY", "secret");
        }
        for (flag, name, text) in
            [("--apiserver-conf", "apiserver.conf", self.apiserver_conf), ("--compose", "compose.yml", self.compose)]
        {
            if !text.is_empty() {
                let file = folder.path().join(name);
                std::fs::write(&file, text.replace("@FILES@", &url(self.names[2]))).unwrap();
                private(&file);
                command.arg(flag).arg(file);
            }
        }
        Report::of(command.args(self.more))
    }

    fn urls(&self, front: SocketAddr, http: SocketAddr) -> Vec<String> {
        let port = match (self.plain_as_https, self.closed) {
            (true, _) => http.port(),
            // A port that was free a moment ago.
            (_, true) => std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
            _ => front.port(),
        };
        match self.names {
            [app, api, files] if app == api && api == files => {
                ["", "/api", "/files"].map(|path| format!("https://{app}:{port}{path}")).to_vec()
            }
            names => names.map(|name| format!("https://{name}:{port}")).to_vec(),
        }
    }

    fn start_targets(&self) -> Vec<SocketAddr> {
        let at = if self.resolve.contains("127.0.0.2") { "0.0.0.0:0" } else { "127.0.0.1:0" };
        let start = |service| {
            let (server, target) = (self.server.clone(), self.target);
            let addr =
                serve(at, None, self.server.clock, move |asked| target(asked, service, own(&server, service, asked)));
            SocketAddr::from(([127, 0, 0, 1], addr.port()))
        };
        [Service::App, Service::Api, Service::Files].map(start).to_vec()
    }
}

fn own(server: &Server, service: Service, asked: &Asked) -> Told {
    match service {
        Service::App => server.app(asked),
        Service::Api => server.api(asked),
        Service::Files => server.files(asked),
    }
}

/// Where a good proxy sends a request. Of one host with paths, the web server passes the others on.
fn service_of(names: &[&str; 3], host: &str) -> Option<Service> {
    let found = names.iter().position(|name| *name == host)?;
    Some([Service::App, Service::Api, Service::Files][found])
}

/// Passwords are nobody else's business, and doctor says so.
pub(crate) fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The command, with nothing inherited and no configuration to be found.
pub(crate) fn clearway(folder: &Path) -> Command {
    let empty = folder.join("no-configuration");
    std::fs::create_dir_all(&empty).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearway"));
    command.env_clear().env("CLEARML_CONFIG_DIR", empty).current_dir(folder).stdin(Stdio::null());
    command
}

pub(crate) fn doctor(folder: &Path) -> Command {
    let mut command = clearway(folder);
    command.args(["doctor", "--json"]);
    command
}

/// What doctor said.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) json: Value,
}

impl Report {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let json = serde_json::from_slice(&stdout).unwrap_or_else(|_| {
            panic!("no JSON: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
        });
        Self { code: status.code().unwrap(), json }
    }

    /// Errors and warnings, each once; hints where they are asked for. How many files may be open is the machine's.
    pub(crate) fn found(&self, hints: bool) -> BTreeSet<&str> {
        let findings = self.json["findings"].as_array().unwrap().iter();
        let findings = findings.filter(|finding| hints || finding["severity"] != "hint");
        findings.map(|finding| finding["finding"].as_str().unwrap()).filter(|code| *code != "open-files").collect()
    }

    pub(crate) fn finding(&self, code: &str) -> &Value {
        let findings = self.json["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["finding"] == code)
            .unwrap_or_else(|| panic!("no {code} in {}", self.json))
    }
}
