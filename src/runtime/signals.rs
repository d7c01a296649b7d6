//! Operating-system signals as events.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// SIGHUP.
#[derive(Debug)]
pub struct ReloadSignals(Signal);

/// Starts to listen for reload signals; from here on they no longer end the process by themselves.
///
/// # Errors
/// The operating system's.
pub fn reload_signals() -> std::io::Result<ReloadSignals> {
    signal(SignalKind::hangup()).map(ReloadSignals)
}

impl ReloadSignals {
    /// Waits for the next one. Several that came together may count as one.
    ///
    /// # Cancel safety
    /// No signal is lost when dropped.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Starts to listen for stop signals; from here on they no longer end the process by themselves.
///
/// # Errors
/// The operating system's.
pub fn stop_signals() -> std::io::Result<StopSignals> {
    Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
}

impl StopSignals {
    /// Waits for the next one and names it.
    ///
    /// # Cancel safety
    /// No signal is lost when dropped.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGUSR1: log files were moved away.
#[derive(Debug)]
pub struct ReopenSignal(Signal);

/// Starts to listen for it; from here on it no longer ends the process.
///
/// # Errors
/// The operating system's.
pub fn reopen_signal() -> std::io::Result<ReopenSignal> {
    signal(SignalKind::user_defined1()).map(ReopenSignal)
}

impl ReopenSignal {
    /// Waits for the next one.
    ///
    /// # Cancel safety
    /// No signal is lost when dropped.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}
