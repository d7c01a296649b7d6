//! Proxy: the real binary, started on free ports, watched through what it writes.

use super::answer::Answer;
use super::lines::Lines;
use super::origin::Origin;
use super::pki::{Leaf, Pki};
use super::{API, APP, COVERED, DEADLINE, DOMAIN, FILES};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program under test.
const BINARY: &str = env!("CARGO_BIN_EXE_clearway");

/// What a proxy is started with.
pub(crate) struct Run {
    domain: String,
    targets: [SocketAddr; 3],
    certificates: Vec<Leaf>,
    conf: String,
    hosts: Option<String>,
    bind: String,
    searched: bool,
    environment: Vec<(String, String)>,
}

impl Run {
    /// Everything goes to `origin`.
    pub(crate) fn to(origin: &Origin) -> Self {
        Self::at([origin.addr(); 3])
    }

    /// app, api and files go to targets of their own.
    pub(crate) fn at(targets: [SocketAddr; 3]) -> Self {
        static SITE: LazyLock<Leaf> = LazyLock::new(|| Pki::shared().issue(&[APP, API, FILES, COVERED]));
        Self {
            domain: format!("\"{DOMAIN}\""),
            targets,
            certificates: vec![SITE.clone()],
            conf: String::new(),
            hosts: None,
            bind: String::from("127.0.0.1:0"),
            searched: false,
            environment: Vec::new(),
        }
    }

    /// The value of `domain`, as written in the file.
    pub(crate) fn domain(mut self, domain: &str) -> Self {
        domain.clone_into(&mut self.domain);
        self
    }

    /// These certificates instead of the usual one.
    pub(crate) fn certificates(mut self, leaves: &[&Leaf]) -> Self {
        self.certificates = leaves.iter().map(|leaf| (*leaf).clone()).collect();
        self
    }

    /// More lines for `proxy.conf`.
    pub(crate) fn conf(mut self, lines: &str) -> Self {
        writeln!(self.conf, "{lines}").unwrap();
        self
    }

    /// A hosts file of its own, in a mount namespace of its own.
    pub(crate) fn hosts(mut self, text: &str) -> Self {
        self.hosts = Some(text.to_owned());
        self
    }

    /// Listens for https here.
    pub(crate) fn bind(mut self, addr: SocketAddr) -> Self {
        self.bind = addr.to_string();
        self
    }

    /// Nothing names the file: it is searched for, in the proxy's folder.
    pub(crate) fn searched(mut self) -> Self {
        self.searched = true;
        self
    }

    /// A variable of the environment.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn write(&self, folder: &Path) -> std::path::PathBuf {
        let mut conf = format!(
            "domain: {}\nworkers: 1\nlisteners {{\n  https {{ bind: [\"{}\"] }}\n  \
             http {{ bind: [\"127.0.0.1:0\"], enabled: true }}\n}}\n",
            self.domain, self.bind
        );
        // Its questions would stand among the requests that a test counts.
        conf.push_str("protection.default_keys.check: false\n");
        conf.push_str("access_log { enabled: true, format: \"json\", file: \"-\" }\n");
        conf.push_str("log { filter: \"info\", format: \"json\" }\n");
        // Tests count what their targets see; those about probes turn them on.
        conf.push_str("health { enabled: false }\n");
        for (name, target) in ["app", "api", "files"].iter().zip(self.targets) {
            writeln!(conf, "services {{ {name} {{ targets: [\"{target}\"] }} }}").unwrap();
        }
        conf.push_str("certificates: [\n");
        for (number, leaf) in self.certificates.iter().enumerate() {
            let [chain, key] = ["pem", "key"].map(|end| folder.join(format!("site{number}.{end}")));
            fs::write(&chain, &leaf.chain).unwrap();
            fs::write(&key, &leaf.key).unwrap();
            fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
            writeln!(conf, "  {{ chain: \"{}\", key: \"{}\" }}", chain.display(), key.display()).unwrap();
        }
        conf.push_str("]\n");
        conf.push_str(&self.conf);
        let file = folder.join("proxy.conf");
        fs::write(&file, conf).unwrap();
        file
    }

    /// Starts the proxy and waits until it is ready.
    pub(crate) fn start(self) -> Proxy {
        let folder = tempfile::tempdir().unwrap();
        let conf = self.write(folder.path());
        let conf = conf.to_str().unwrap().to_owned();
        let arguments = ["run", "--config", &conf];
        let Some(hosts) = &self.hosts else {
            let mut command = command(folder.path());
            match self.searched {
                true => command.arg("run").env("CLEARML_CONFIG_DIR", folder.path()),
                false => command.args(arguments),
            };
            command.envs(self.environment);
            return Proxy::follow(folder, command);
        };
        let file = folder.path().join("hosts");
        fs::write(&file, hosts).unwrap();
        let mut command = command_of("unshare", folder.path());
        let script = format!("mount --bind {} /etc/hosts && exec \"$0\" \"$@\"", file.display());
        command.args(["-rm", "sh", "-c", &script, BINARY]).args(arguments).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        Proxy::follow(folder, command)
    }

    /// Starts the proxy as systemd does, with a socket that is open already.
    pub(crate) fn activated(self, listener: TcpListener) -> Proxy {
        let folder = tempfile::tempdir().unwrap();
        let conf = self.write(folder.path());
        // The descriptor's number and the process's are part of the protocol.
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" run --config \"$1\"";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, BINARY]).arg(conf).env_clear().current_dir(folder.path());
        shell.env("XDG_RUNTIME_DIR", folder.path()).stdin(OwnedFd::from(listener));
        Proxy::follow(folder, shell)
    }

    /// Starts a proxy that must end by itself; what it said.
    pub(crate) fn fail(self) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let conf = self.write(folder.path());
        let mut command = command(folder.path());
        command.args(["run", "--config"]).arg(conf).output().expect("the binary starts")
    }
}

/// The binary in `folder`, with nothing inherited and no configuration to be found.
fn command(folder: &Path) -> Command {
    command_of(BINARY, folder)
}

fn command_of(program: &str, folder: &Path) -> Command {
    let empty = folder.join("no-configuration");
    fs::create_dir_all(&empty).unwrap();
    let mut command = Command::new(program);
    command.env_clear().env("CLEARML_CONFIG_DIR", empty).env("RUST_BACKTRACE", "1").current_dir(folder);
    // Where it makes its admin socket.
    command.env("XDG_RUNTIME_DIR", folder);
    command.stdin(Stdio::null());
    command
}

/// A running proxy; ends with its value.
pub(crate) struct Proxy {
    child: Child,
    folder: TempDir,
    events: Lines,
    output: Lines,
    https: Option<SocketAddr>,
    http: Option<SocketAddr>,
    /// The legacy ports by the names of their listeners.
    legacy: Vec<(String, SocketAddr)>,
    admin: Option<SocketAddr>,
}

impl Proxy {
    /// A proxy in front of `origin` with nothing else set.
    pub(crate) fn to(origin: &Origin) -> Self {
        Run::to(origin).start()
    }

    /// Runs the binary in `folder` with an environment of its own, and waits until it is ready.
    pub(crate) fn launch(folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = command(folder.path());
        command.args(arguments);
        Self::follow(folder, command)
    }

    /// Runs `command` and waits until the proxy is ready.
    fn follow(folder: TempDir, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let events = Lines::follow(child.stderr.take().unwrap());
        let output = Lines::follow(child.stdout.take().unwrap());
        let mut proxy =
            Self { child, folder, events, output, https: None, http: None, legacy: Vec::new(), admin: None };
        proxy.event("ready");
        for event in proxy.events.json().iter().filter(|event| event["message"] == "listening") {
            let addr = event["address"].as_str().unwrap().parse().unwrap();
            match event["listener"].as_str() {
                Some("https") => proxy.https = Some(addr),
                Some("http") => proxy.http = Some(addr),
                Some("admin") => proxy.admin = Some(addr),
                Some(name) if name.starts_with("legacy_") => proxy.legacy.push((name.to_owned(), addr)),
                other => panic!("a listener of kind {other:?}"),
            }
        }
        proxy
    }

    /// Where the https listener is.
    pub(crate) fn https(&self) -> SocketAddr {
        self.https.expect("the https listener is on")
    }

    /// Where the http listener is.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http.expect("the http listener is on")
    }

    /// Where the legacy port of a service is.
    pub(crate) fn legacy(&self, service: &str) -> SocketAddr {
        let name = format!("legacy_{service}");
        self.legacy.iter().find(|(listener, _)| *listener == name).expect("the legacy port is open").1
    }

    /// Where the admin listener is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.expect("the admin listener is on")
    }

    /// Its working folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for an event by its message; details may follow behind a semicolon.
    pub(crate) fn event(&self, message: &str) -> Value {
        let detailed = format!("{message}; ");
        let is = |said: &Value| said.as_str().is_some_and(|said| said == message || said.starts_with(&detailed));
        self.events.wait(message, |event| is(&event["message"]))
    }

    /// Changes the text of its configuration file; nothing notices by itself.
    pub(crate) fn edit(&self, change: impl FnOnce(String) -> String) {
        let file = self.folder().join("proxy.conf");
        let text = change(fs::read_to_string(&file).unwrap());
        // Whole or not at all, as an editor saves.
        let fresh = self.folder().join("proxy.conf.new");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, file).unwrap();
    }

    /// Asks for a reload and waits for its end, the `count`th of this proxy; whether it took effect.
    pub(crate) fn reload(&self, count: usize) -> bool {
        self.signal("HUP");
        self.reloaded(count)
    }

    /// Waits for the end of the `count`th reload; whether it took effect.
    pub(crate) fn reloaded(&self, count: usize) -> bool {
        let ends = ["reloaded", "reload refused; everything goes on as before"];
        let is_end = |event: &Value| ends.iter().any(|end| event["message"] == *end);
        self.events.wait_times("the end of a reload", count, is_end)[count - 1]["message"] == ends[0]
    }

    /// Runs another command of the binary for this proxy: exit code, standard output, standard error.
    pub(crate) fn command(&self, arguments: &[&str]) -> (i32, String, String) {
        let config = self.folder().join("proxy.conf");
        let mut command = command(self.folder());
        command.args(arguments);
        if config.exists() && !arguments.contains(&"--socket") {
            command.arg("--config").arg(config);
        }
        let Output { status, stdout, stderr } = command.output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has left to another process.
    pub(crate) fn left(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// The events, as written to standard error.
    pub(crate) fn events(&self) -> &Lines {
        &self.events
    }

    /// Standard output: access-log lines, and what is printed for people.
    pub(crate) fn output(&self) -> &Lines {
        &self.output
    }

    /// Waits for the access-log line of `answer`.
    pub(crate) fn record(&self, answer: &Answer) -> Value {
        let id = answer.field("x-request-id");
        self.output.wait("the access-log line", |line| line["request_id"] == *id)
    }

    /// Waits for the access-log line of a path.
    pub(crate) fn record_of(&self, path: &str) -> Value {
        self.output.wait(&format!("the access-log line of {path}"), |line| line["path"] == path)
    }

    /// Memory in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// What its own hosts file says from now on.
    pub(crate) fn set_hosts(&self, text: &str) {
        // Written in place: the mount is of the file itself.
        fs::write(self.folder.path().join("hosts"), text).unwrap();
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Waits until it has no more open than `count`.
    pub(crate) fn wait_files(&self, count: usize) {
        let begun = Instant::now();
        while self.open_files() > count {
            assert!(begun.elapsed() < DEADLINE, "{} files are open, at first {count}", self.open_files());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What was counted under `name`, without labels, as said at the end; 0 for what was not.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.counted_with(name, "")
    }

    /// The same with `label` among the labels.
    pub(crate) fn counted_with(&self, name: &str, label: &str) -> u64 {
        let events = self.events.json();
        let has = |labels: &Value| labels.as_str().is_some_and(|labels| labels.contains(label));
        let is = |event: &&Value| event["message"] == "counted" && event["name"] == name && has(&event["labels"]);
        events.iter().find(is).map_or(0, |event| event["value"].as_u64().unwrap())
    }

    /// Asks for the end, without waiting for it.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        assert!(kill(name, self.child.id()));
    }

    /// Waits for the end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.events.wait_end();
        self.output.wait_end();
        self.child.wait().unwrap()
    }

    /// Ends the proxy in order; its exit status, with everything written by then.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait()
    }
}

/// A process that has taken over; ended with its value.
pub(crate) struct Successor(u32);

impl Successor {
    /// The process of this number.
    pub(crate) fn of(pid: u32) -> Self {
        Self(pid)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0
    }

    /// Asks for its end.
    pub(crate) fn terminate(&self) {
        kill("TERM", self.0);
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        kill("KILL", self.0);
    }
}

/// Sends a signal; whether there was somebody to take it.
fn kill(name: &str, pid: u32) -> bool {
    Command::new("/bin/sh").args(["-c", &format!("kill -{name} {pid} 2>/dev/null")]).status().unwrap().success()
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Both fail only where the child has ended already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        if thread::panicking() {
            eprintln!("--- events\n{}\n--- output\n{}\n---", self.events.text(), self.output.text());
        }
    }
}
