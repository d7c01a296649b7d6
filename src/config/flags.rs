//! Flags of the command line as the last layer.

use super::problem::Origin;
use super::tree::{Map, Node, Value, insert};
use crate::domain::addr::ListenAddr;
use crate::domain::names::PerService;
use crate::domain::settings::Settings;
use std::net::SocketAddr;

/// What the command line sets; the texts are checked with everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--domain`
    pub domains: Vec<String>,
    /// `--workers`
    pub workers: Option<String>,
    /// `--https`
    pub https: Vec<String>,
    /// `--https-port`: keeps the addresses and changes their port.
    pub https_port: Option<u16>,
    /// `--http`
    pub http: Vec<String>,
    /// `--http-port`: keeps the addresses and changes their port.
    pub http_port: Option<u16>,
    /// `--no-http`
    pub no_http: bool,
    /// `--app-target`, `--api-target`, `--files-target`
    pub targets: PerService<Vec<String>>,
    /// `--log`
    pub log: Option<String>,
}

impl Overrides {
    /// The flags as a layer.
    pub(super) fn layer(&self) -> Map {
        let mut map = Map::new();
        list(&mut map, "--domain", &["domain"], &self.domains);
        list(&mut map, "--https", &["listeners", "https", "bind"], &self.https);
        list(&mut map, "--http", &["listeners", "http", "bind"], &self.http);
        list(&mut map, "--app-target", &["services", "app", "targets"], &self.targets.app);
        list(&mut map, "--api-target", &["services", "api", "targets"], &self.targets.api);
        list(&mut map, "--files-target", &["services", "files", "targets"], &self.targets.files);
        // Naming a listener asks for it; a file may have disabled it.
        if !self.https.is_empty() || self.https_port.is_some() {
            set(&mut map, "--https", &["listeners", "https", "enabled"], Value::Bool(true));
        }
        if !self.http.is_empty() || self.http_port.is_some() {
            set(&mut map, "--http", &["listeners", "http", "enabled"], Value::Bool(true));
        }
        if self.no_http {
            set(&mut map, "--no-http", &["listeners", "http", "enabled"], Value::Bool(false));
        }
        if let Some(workers) = &self.workers {
            set(&mut map, "--workers", &["workers"], Value::Text(workers.clone()));
        }
        if let Some(filter) = &self.log {
            set(&mut map, "--log", &["log", "filter"], Value::Text(filter.clone()));
        }
        map
    }

    /// The flags that were given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--domain", !self.domains.is_empty()),
            ("--workers", self.workers.is_some()),
            ("--https", !self.https.is_empty()),
            ("--https-port", self.https_port.is_some()),
            ("--http", !self.http.is_empty()),
            ("--http-port", self.http_port.is_some()),
            ("--no-http", self.no_http),
            ("--app-target", !self.targets.app.is_empty()),
            ("--api-target", !self.targets.api.is_empty()),
            ("--files-target", !self.targets.files.is_empty()),
            ("--log", self.log.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }

    /// Puts the ports on the addresses that everything else settled on.
    pub(super) fn ports(&self, settings: &mut Settings) {
        for (port, bind) in [(self.https_port, &mut settings.https.bind), (self.http_port, &mut settings.http.bind)] {
            let Some(port) = port else { continue };
            for addr in bind.iter_mut() {
                *addr = ListenAddr::new(SocketAddr::new(addr.socket_addr().ip(), port));
            }
        }
    }
}

fn set(map: &mut Map, flag: &'static str, path: &[&str], value: Value) {
    insert(map, path, Node::new(Origin::Flag(flag), value));
}

fn list(map: &mut Map, flag: &'static str, path: &[&str], texts: &[String]) {
    if !texts.is_empty() {
        let items = texts.iter().map(|text| Node::new(Origin::Flag(flag), Value::Text(text.clone())));
        set(map, flag, path, Value::List(items.collect()));
    }
}
