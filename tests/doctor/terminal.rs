//! A command on a terminal of its own: what it shows is waited for, and keys are typed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// For whatever is waited for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What ^C is on a terminal.
pub(crate) const CONTROL_C: &str = "\u{3}";

/// What ^D is.
pub(crate) const CONTROL_D: &str = "\u{4}";

#[derive(Default)]
struct Screen {
    text: String,
    ended: bool,
}

/// The command and its terminal; ends with its value.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    /// Bytes of the screen that were waited for.
    seen: usize,
}

impl Terminal {
    /// Starts `command` in a session whose terminal this is.
    pub(crate) fn of(command: &Command) -> Self {
        let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
        let ours = rustix::pty::openpt(flags | rustix::pty::OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&ours).unwrap();
        rustix::pty::unlockpt(&ours).unwrap();
        let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags | rustix::pty::OpenptFlags::CLOEXEC).unwrap();
        let side = |end: &OwnedFd| Stdio::from(end.try_clone().unwrap());
        // Without it ^C would reach nobody.
        let mut session = Command::new("/usr/bin/env");
        // Whoever starts tests in the background has ^C ignored, and everything below them as well.
        session
            .args(["--default-signal=INT", "/usr/bin/setsid", "--ctty"])
            .arg(command.get_program())
            .args(command.get_args());
        session.env_clear().current_dir(command.get_current_dir().unwrap());
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = session.stdin(side(&theirs)).stdout(side(&theirs)).stderr(side(&theirs)).spawn().unwrap();
        let screen = Arc::<(Mutex<Screen>, Condvar)>::default();
        let (keys, to) = (File::from(ours), Arc::clone(&screen));
        let from = keys.try_clone().unwrap();
        thread::spawn(move || follow(from, &to));
        Self { child, keys, screen, seen: 0 }
    }

    /// Waits until `text` is shown, behind whatever was waited for before.
    pub(crate) fn wait(&mut self, text: &str) {
        let (state, changed) = &*self.screen;
        let seen = self.seen;
        let missing = |screen: &mut Screen| !screen.ended && !screen.text[seen..].contains(text);
        let (screen, _) = changed.wait_timeout_while(state.lock().unwrap(), DEADLINE, missing).unwrap();
        let at = screen.text[seen..].find(text);
        self.seen += at.unwrap_or_else(|| panic!("{text:?} is not shown:\n{}", screen.text)) + text.len();
    }

    /// Types these keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a question and answers it.
    pub(crate) fn answer(&mut self, question: &str, answer: &str) {
        self.wait(question);
        self.press(&format!("{answer}\n"));
    }

    /// What was shown so far.
    pub(crate) fn shown(&self) -> String {
        self.screen.0.lock().unwrap().text.clone()
    }

    /// Waits for the end; how it ended, and all that was shown.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let (state, changed) = &*self.screen;
        let (screen, _) = changed.wait_timeout_while(state.lock().unwrap(), DEADLINE, |screen| !screen.ended).unwrap();
        let text = screen.text.clone();
        assert!(screen.ended, "it did not end:\n{text}");
        drop(screen);
        (self.child.wait().unwrap(), text)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn follow(mut from: File, screen: &(Mutex<Screen>, Condvar)) {
    let mut bytes = [0; 4_096];
    loop {
        let count = match from.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // Whoever had the other side has ended.
            Err(_) => 0,
        };
        let mut state = screen.0.lock().unwrap();
        // All that is shown here is ASCII; the terminal ends lines in its own way.
        state.text.push_str(&String::from_utf8_lossy(&bytes[..count]).replace('\r', ""));
        state.ended = count == 0;
        screen.1.notify_all();
        if state.ended {
            return;
        }
    }
}
