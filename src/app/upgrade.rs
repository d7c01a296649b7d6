//! Upgrade: a new process of the program on disk takes the listening sockets, proves itself, and this one leaves.
//!
//! Until the new process has said that it serves, nothing here changes; when it cannot, or says nothing in time, it is
//! ended and this one goes on.

use super::handover::{Offer, Report, TAKE_OVER, give};
use super::listeners::Listener;
use super::running::Running;
use crate::admin::{MaintenanceOrder, Outcome, TargetOrder, UpgradeView};
use crate::domain::names::ServiceName;
use crate::runtime::Deadline;
use std::env::args_os;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;

/// For the last step of a hand-over: a socket is renamed.
const LAST_WORD: Duration = Duration::from_secs(5);

/// A new process that has not said yet how it goes.
#[derive(Debug)]
pub(super) struct Successor {
    child: Child,
    stream: BufReader<tokio::net::UnixStream>,
    /// The line that is coming; kept here, so that a wait may be dropped and begun again.
    line: Vec<u8>,
    deadline: Deadline,
    reply: oneshot::Sender<Outcome>,
}

impl Running {
    /// Starts the program on disk as this process was started, and hands it the listening sockets.
    ///
    /// # Errors
    /// Why there is no new process; `reply` has it.
    pub(super) fn succeed(&self, reply: oneshot::Sender<Outcome>) -> Option<Successor> {
        match self.start_successor() {
            Ok((child, stream)) => {
                tracing::info!(pid = child.id(), "a new process is starting to take over");
                let deadline = Deadline::after(self.picture.settings.upgrade.ready);
                Some(Successor { child, stream: BufReader::new(stream), line: Vec::new(), deadline, reply })
            }
            Err(error) => {
                refuse(reply, None, format!("the program cannot be started: {error}"));
                None
            }
        }
    }

    fn start_successor(&self) -> io::Result<(Child, tokio::net::UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut arguments = args_os();
        let program = arguments.next().ok_or_else(|| io::Error::other("its name is not known"))?;
        let arguments = arguments.filter(|argument| argument != TAKE_OVER);
        let mut child = Command::new(program)
            .args(arguments)
            .arg(TAKE_OVER)
            // It names this process.
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        match self.equip(ours) {
            Ok(stream) => Ok((child, stream)),
            Err(error) => {
                // It fails where the process has ended already.
                drop(child.kill());
                drop(child.wait());
                Err(error)
            }
        }
    }

    /// Gives the new process what it goes on with.
    fn equip(&self, mut ours: UnixStream) -> io::Result<tokio::net::UnixStream> {
        let listeners = || self.listeners.iter();
        let of_each = |text: fn(&Listener) -> String| {
            listeners().flat_map(|listener| vec![text(listener); listener.sockets.len()]).collect()
        };
        let offer = Offer {
            sockets: of_each(|listener| listener.bind.to_string()),
            listeners: of_each(|listener| listener.role.as_str().to_owned()),
            maintenance: self.closed(),
            drained: self.drained(),
        };
        give(&mut ours, &offer, listeners().flat_map(|listener| &listener.sockets))?;
        ours.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(ours)
    }

    /// What is closed now, as orders.
    fn closed(&self) -> Vec<MaintenanceOrder> {
        let order = |service: ServiceName| {
            let notice = self.maintenance.notice(service)?;
            Some(MaintenanceOrder {
                services: vec![service.as_str().to_owned()],
                on: true,
                seconds: notice.until.map(|(deadline, _)| deadline.left().as_secs().max(1)),
                reason: notice.reason.clone(),
            })
        };
        ServiceName::ALL.into_iter().filter_map(order).collect()
    }

    /// The targets that an operator has drained, as orders.
    fn drained(&self) -> Vec<TargetOrder> {
        let of = |service: ServiceName| {
            let targets = self.picture.group(service).targets().iter().filter(|target| target.drained());
            targets.map(move |target| TargetOrder {
                service: service.as_str().to_owned(),
                target: Some(target.label().to_string()),
            })
        };
        ServiceName::ALL.into_iter().flat_map(of).collect()
    }
}

impl Successor {
    /// Waits until the new process has said how it goes; why it cannot take over, otherwise.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub(super) async fn report(&mut self) -> Result<String, String> {
        let Self { stream, line, deadline, .. } = self;
        match deadline.bound(stream.read_until(b'\n', line)).await {
            None => return Err(String::from("the new process said nothing within upgrade.ready")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(format!("the new process broke off: {error}")),
        }
        match serde_json::from_slice(line) {
            Ok(Report::Ready { version }) => Ok(version),
            Ok(Report::Failed(why)) => Err(why),
            Ok(Report::Done) | Err(_) => {
                Err(String::from("the new process ended without a word; its standard error says why"))
            }
        }
    }

    /// The new process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it go on alone.
    pub(super) async fn go(mut self, version: String) {
        if let Err(error) = self.stream.get_mut().write_all(b"go\n").await {
            tracing::warn!(%error, "the new process cannot be told to go on");
        }
        // Whoever asked finds the new process at the admin socket; it needs a moment for that, and no more.
        self.line.clear();
        drop(Deadline::after(LAST_WORD).bound(self.stream.read_until(b'\n', &mut self.line)).await);
        let pid = Some(self.pid());
        tracing::info!(pid, version, "upgraded; this process finishes what it runs");
        // Whoever asked may be gone.
        drop(self.reply.send(Outcome::Upgrade(UpgradeView { ok: true, pid, version: Some(version), problem: None })));
    }

    /// Ends it; this process goes on.
    pub(super) fn end(mut self, why: String) {
        // It fails where the process has ended already.
        drop(self.child.kill());
        let status = self.child.wait().map(|status| status.to_string()).unwrap_or_default();
        tracing::error!(problem = why, status, "not upgraded; this process goes on");
        refuse(self.reply, Some(self.child.id()), why);
    }
}

fn refuse(reply: oneshot::Sender<Outcome>, pid: Option<u32>, why: String) {
    drop(reply.send(Outcome::Upgrade(UpgradeView { ok: false, pid, version: None, problem: Some(why) })));
}
