//! Other programs, run to their end: within a time, and with an output that is bounded.
//!
//! Limits: `OUTPUT_MAX` of what a program writes is kept, the rest is read and dropped.

use super::clock::Deadline;
use std::ffi::OsStr;
use std::io;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// Bytes kept of what a program writes; enough for the end of a traceback.
const OUTPUT_MAX: usize = 4 * 1024;

/// Variables by which a service manager speaks to us, and to nobody we start.
const OURS_ALONE: [&str; 5] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID"];

/// How a program ended.
#[derive(Debug)]
pub struct ProgramEnd {
    /// `None` when its time was over: it was killed, with what it had started.
    pub status: Option<ExitStatus>,
    /// The last that it wrote, output and errors together in the order in which they were read.
    pub output: String,
}

/// Runs `command` (a program and its arguments) without a shell and without input, until `deadline`.
///
/// # Errors
/// The operating system's, when it cannot be started.
///
/// # Cancel safety
/// The program is killed.
pub async fn run_program<S: AsRef<OsStr>>(
    command: &[S],
    environment: &[(&str, &str)],
    deadline: Deadline,
) -> io::Result<ProgramEnd> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program is named"));
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).kill_on_drop(true).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in OURS_ALONE {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    let mut group = Group(child.id());
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let mut kept = Vec::new();
    let status = deadline.bound(async {
        read(output, errors, &mut kept).await;
        child.wait().await
    });
    let status = status.await.transpose()?;
    if status.is_some() {
        // Its number may be another's by now.
        group.0 = None;
    }
    drop(group);
    Ok(ProgramEnd { status, output: String::from_utf8_lossy(&kept).trim().to_owned() })
}

/// Reads both to their ends; what is kept are the last bytes.
async fn read(output: Option<impl AsyncRead + Unpin>, errors: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let (mut output, mut errors) = (output, errors);
    let (mut first, mut second) = ([0; 1024], [0; 1024]);
    while output.is_some() || errors.is_some() {
        let (count, from_output) = tokio::select! {
            count = some(&mut output, &mut first) => (count, true),
            count = some(&mut errors, &mut second) => (count, false),
        };
        match count {
            0 if from_output => output = None,
            0 => errors = None,
            count => {
                kept.extend_from_slice(if from_output { &first } else { &second }.get(..count).unwrap_or_default())
            }
        }
        kept.drain(..kept.len().saturating_sub(OUTPUT_MAX));
    }
}

/// How many bytes were read; 0 at the end, never where there is nothing to read from.
async fn some(from: &mut Option<impl AsyncRead + Unpin>, into: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(into).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// A program that nobody has waited for, and what it started; all of it is killed when this is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.0.and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
        if let Some(group) = group {
            // Where all of it has ended, there is nobody to kill.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(30))
    }

    #[tokio::test]
    async fn output_status_and_environment() {
        let script = "echo \"$1 $GREETING\"; echo wrong >&2; exit 3";
        let end = run_program(&["sh", "-c", script, "sh", "a b"], &[("GREETING", "$HOME `id`")], soon()).await.unwrap();
        assert_eq!(end.status.and_then(|status| status.code()), Some(3));
        let mut lines = end.output.lines().collect::<Vec<_>>();
        lines.sort_unstable();
        assert_eq!(lines, ["a b $HOME `id`", "wrong"]);
        assert!(run_program(&["/nowhere/program"], &[], soon()).await.is_err());
        assert!(run_program::<&str>(&[], &[], soon()).await.is_err());
    }

    #[tokio::test]
    async fn endless_output_is_bounded_and_ends_are_kept() {
        let end =
            run_program(&["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo END"], &[], soon()).await.unwrap();
        assert!(end.output.len() <= OUTPUT_MAX && end.output.ends_with("xEND"));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_what_it_started() {
        let script = "echo $$; sleep 600 & wait";
        let end = run_program(&["sh", "-c", script], &[], Deadline::after(Duration::from_secs(2))).await.unwrap();
        assert!(end.status.is_none());
        let group = end.output.parse::<i32>().unwrap();
        // The pipe's other end, which the grandchild holds, is gone with it; zombies wait for their reaper.
        let alive = || {
            let stat = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("stat")).ok();
            let of_group = |stat: &String| {
                let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect::<Vec<_>>();
                fields.first() != Some(&"Z") && fields.get(2).and_then(|field| field.parse().ok()) == Some(group)
            };
            std::fs::read_dir("/proc").unwrap().flatten().filter_map(stat).any(|stat| of_group(&stat))
        };
        let until = soon();
        while alive() {
            assert!(!until.passed(), "something of the group lives on");
            tokio::task::yield_now().await;
        }
    }
}
