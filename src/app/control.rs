//! What a running proxy listens to: signals, files, the admin socket, a process that takes over.

use super::reload::{ConfigSource, Trigger};
use super::running::Running;
use super::upgrade::Successor;
use crate::admin::{AdminSocket, Asked, Command, Feeds, Outcome};
use crate::runtime::{
    Deadline, ReloadSignals, ReopenSignal, StopSignals, now, reload_signals, reopen_signal, stop_signals,
};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A change of files that was seen once is looked at again after this long at the latest.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// Between two looks at the counters.
const SECOND: Duration = Duration::from_secs(1);

/// Commands that wait; each keeps a connection of the admin socket or listener.
pub(super) const COMMANDS_MAX: usize = 16;

/// Signals.
#[derive(Debug)]
pub(super) struct Ears {
    pub(super) stop: StopSignals,
    reload: ReloadSignals,
    reopen: ReopenSignal,
}

impl Ears {
    /// From here on signals do not end the process by themselves.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { stop: stop_signals()?, reload: reload_signals()?, reopen: reopen_signal()? })
    }
}

/// Why a proxy serves no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A stop signal, by name.
    Stop(&'static str),
    /// Another process has taken over.
    Upgraded,
    /// No worker is left.
    Over,
}

/// What comes by itself, and when.
struct Due {
    look: Deadline,
    sign: Option<Deadline>,
    /// The next look at the counters.
    second: Deadline,
}

impl Due {
    fn new(running: &Running) -> Self {
        Self {
            look: Deadline::after(running.picture.settings.reload.interval),
            sign: running.manager.next_sign(),
            second: Deadline::after(SECOND),
        }
    }
}

/// Does what it is asked for, until it has to end.
pub(super) async fn until_ended(
    running: &mut Running,
    source: &ConfigSource,
    admin: Option<&AdminSocket>,
    asked: &mut mpsc::Receiver<Asked>,
    ears: &mut Ears,
    done: &mut mpsc::Receiver<()>,
) -> Ending {
    let (tasks, feeds) = (running.tasks.clone(), running.feeds.clone());
    let mut answering = std::pin::pin!(serve(admin, &feeds, &tasks));
    let mut successor: Option<Successor> = None;
    let mut due = Due::new(running);
    let obtained = Arc::clone(&running.keeping.obtained);
    loop {
        let watched = running.picture.settings.reload.watch;
        tokio::select! {
            signal = ears.stop.next() => {
                if let Some(successor) = successor.take() {
                    successor.end(String::from("this process was told to stop"));
                }
                return Ending::Stop(signal);
            }
            _ = done.recv() => return Ending::Over,
            () = ears.reopen.next() => {
                tracing::info!(signal = "SIGUSR1", "the access log is opened anew");
                running.access.reopen();
            }
            () = obtained.notified() => running.take_certificates(),
            () = ears.reload.next() => drop(running.reload(source, Trigger::Signal).await),
            () = due.look.wait(), if watched => {
                if running.watch.changed() {
                    // It has said how it went.
                    drop(running.reload(source, Trigger::Files).await);
                }
                let interval = running.picture.settings.reload.interval;
                due.look = Deadline::after(if running.watch.suspicious() { interval.min(SECOND_LOOK) } else { interval });
            }
            Some(command) = asked.recv() => answer(running, source, command, &mut successor).await,
            report = report(&mut successor) => {
                if succeeded(running, report, successor.take()).await {
                    return Ending::Upgraded;
                }
            }
            () = running.agenda.due().wait() => running.look_after_certificates(),
            () = at(running.next_opening()) => running.open_services(),
            () = at(due.sign) => {
                running.sign();
                due.sign = running.manager.next_sign();
            }
            () = due.second.wait() => {
                running.history.look(now());
                running.count_panics();
                running.replace_keeper();
                running.freed.look();
                due.second = due.second.later(SECOND).max(Deadline::after(SECOND / 2));
            }
            // It never ends; polled here, it needs no task of its own.
            () = &mut answering => {}
        }
    }
}

async fn serve(admin: Option<&AdminSocket>, feeds: &Feeds, tasks: &crate::runtime::Tasks) {
    match admin {
        Some(admin) => admin.serve(feeds, tasks).await,
        None => std::future::pending().await,
    }
}

/// Carries out one command. An upgrade and a rehearsal are only begun; their outcome comes later.
async fn answer(running: &mut Running, source: &ConfigSource, asked: Asked, successor: &mut Option<Successor>) {
    let Asked { command, reply } = asked;
    if command == Command::Upgrade && successor.is_none() && source.demo.is_none() {
        *successor = running.succeed(reply);
        return;
    }
    if command == Command::Rehearse {
        return running.begin_rehearsal(reply);
    }
    let outcome = match command {
        Command::Upgrade if source.demo.is_some() => Outcome::Refused(String::from("a demo cannot be upgraded")),
        command => running.carry_out(source, command).await,
    };
    // Whoever asked may be gone.
    drop(reply.send(outcome));
}

/// What the new process says; for ever where there is none.
async fn report(successor: &mut Option<Successor>) -> Result<String, String> {
    match successor {
        Some(successor) => successor.report().await,
        None => std::future::pending().await,
    }
}

/// Lets the new process go on alone, or ends it; whether this one may leave.
async fn succeeded(running: &Running, report: Result<String, String>, successor: Option<Successor>) -> bool {
    match (report, successor) {
        (Ok(version), Some(successor)) => {
            running.manager.main_is(successor.pid());
            successor.go(version).await;
            true
        }
        (Err(why), Some(successor)) => {
            successor.end(why);
            false
        }
        (_, None) => false,
    }
}

/// Waits until `deadline`; for ever where there is none.
async fn at(deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => deadline.wait().await,
        None => std::future::pending().await,
    }
}
