//! Memory: what this process may take, and what it has.
//!
//! Linux tells both in files of `/proc` and `/sys`, which never wait for a disk, and the machine's memory by a system
//! call too, which a service that sees little of `/proc` has left. Elsewhere nothing is known.

use std::fs;
use std::path::{Path, PathBuf};

/// What this process may take at most, in bytes: the machine's memory, or the smallest limit of its control groups.
#[must_use]
pub fn memory_available() -> Option<u64> {
    // A container may show less in the file than the kernel knows of.
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib_after(&text, "MemTotal:"));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    machine.into_iter().chain(installed()).chain(limits).min()
}

/// What the kernel says the machine has.
#[allow(clippy::useless_conversion, reason = "half as wide where addresses are")]
fn installed() -> Option<u64> {
    let about = rustix::system::sysinfo();
    u64::from(about.totalram).checked_mul(about.mem_unit.into()).filter(|bytes| *bytes > 0)
}

/// What this process has in memory now, in bytes.
#[must_use]
pub fn memory_resident() -> Option<u64> {
    kib_after(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

fn kib_after(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files with the limits of all groups that hold this process, of both versions of control groups.
///
/// ```text
/// 0::/system.slice/clearway.service
/// 4:memory:/docker/0123
/// ```
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // A group inside a container is often named as the host sees it; its limit then stands at the root.
        let below = Path::new(root).join(path.trim_start_matches('/'));
        files.extend(below.ancestors().take_while(|folder| folder.starts_with(root)).map(|folder| folder.join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some_memory_and_less_than_it_may() {
        let resident = memory_resident().unwrap();
        assert!(resident > 1024 * 1024, "{resident}");
        assert!(memory_available().unwrap() > resident);
        assert!(installed().unwrap() >= memory_available().unwrap(), "known without /proc too");
    }

    #[test]
    fn limits_are_looked_for_in_every_group_up_to_the_root() {
        let files = |text: &str| limit_files(text).iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            files("0::/a.slice/b.service\n"),
            [
                "/sys/fs/cgroup/a.slice/b.service/memory.max",
                "/sys/fs/cgroup/a.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            files("5:cpu,cpuacct:/x\n4:memory:/docker\n1:name=systemd:/\n"),
            ["/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
        assert!(files("nonsense").is_empty());
    }

    #[test]
    fn kib_are_read_and_nothing_else() {
        assert_eq!(kib_after("VmPeak:\t 9 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 * 1024));
        assert_eq!(kib_after("VmRSS: 12 mB", "VmRSS:"), None);
        assert_eq!(kib_after("", "VmRSS:"), None);
    }
}
