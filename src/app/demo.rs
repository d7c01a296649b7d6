//! The demo: embedded stand-ins in place of a ClearML Server, on ports of their own.

use crate::domain::addr::TargetAddr;
use crate::domain::names::PerService;
use crate::domain::settings::{Settings, TargetSettings};
use crate::runtime::{Deadline, Shutdown, Tasks, Workers, start_workers};
use crate::standin;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;
use tempfile::TempDir;

/// How long running answers may take when the demo stops.
const PATIENCE: Duration = Duration::from_secs(2);

/// The running stand-ins. What is uploaded lies in a temporary folder, which goes with them.
#[derive(Debug)]
pub struct Demo {
    addresses: PerService<SocketAddr>,
    shutdown: Shutdown,
    workers: Workers,
    folder: TempDir,
}

impl Demo {
    /// Starts the three stand-ins on free ports of 127.0.0.1.
    ///
    /// # Errors
    /// The operating system's, when ports, a folder or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("clearway-demo-").tempdir()?;
        let sockets = standin::sockets()?;
        let addresses = PerService {
            app: sockets.app.local_addr()?,
            api: sockets.api.local_addr()?,
            files: sockets.files.local_addr()?,
        };
        let (shutdown, watch) = Shutdown::new();
        let path = folder.path().to_owned();
        let mut sockets = Some(sockets);
        let workers = start_workers(NonZeroUsize::MIN, |_| {
            let (sockets, path, watch) = (sockets.take(), path.clone(), watch.clone());
            async move {
                let Some(sockets) = sockets else { return };
                if let Err(error) = standin::serve(sockets, path, Tasks::new(), watch).await {
                    tracing::error!(%error, "the stand-ins ended");
                }
            }
        })?;
        Ok(Self { addresses, shutdown, workers, folder })
    }

    /// Makes the stand-ins the targets of `settings`.
    pub fn take_over(&self, settings: &mut Settings) {
        for (service, addr) in [
            (&mut settings.services.app, self.addresses.app),
            (&mut settings.services.api, self.addresses.api),
            (&mut settings.services.files, self.addresses.files),
        ] {
            service.targets = vec![TargetSettings::plain(TargetAddr::plain(addr))];
        }
    }

    /// The line of `clearml.conf` with the keys that the stand-in of the API takes.
    #[must_use]
    pub fn credentials(&self) -> String {
        format!(
            "api.credentials {{ access_key: \"{}\", secret_key: \"{}\" }}",
            standin::ACCESS_KEY,
            standin::SECRET_KEY
        )
    }

    /// One sentence for whoever started it.
    #[must_use]
    pub fn about(&self) -> String {
        format!(
            "Demo: the three services are stand-ins; uploads go to {} until it stops.",
            self.folder.path().display()
        )
    }

    /// Ends the stand-ins and removes what was uploaded.
    pub fn stop(self) {
        self.shutdown.drain(Deadline::after(PATIENCE));
        let panicked = self.workers.join();
        if panicked > 0 {
            tracing::error!(panicked, "stand-ins ended by a panic");
        }
    }
}
