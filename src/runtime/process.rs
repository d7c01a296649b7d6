//! Process: what the system counts of this process.
//!
//! Linux tells it in files of `/proc`, which never wait for a disk. Elsewhere only its time on processors is known.

use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// What the system counts of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessUse {
    /// Time on processors, of all threads.
    pub cpu: Duration,
    /// Bytes in memory.
    pub resident: Option<u64>,
    /// Bytes of addresses in use.
    pub virtual_size: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
    /// How many it may have.
    pub open_files_max: Option<u64>,
}

/// What this process uses now.
#[must_use]
pub fn process_use() -> ProcessUse {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    // The folder itself is open while it is read.
    let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1) as u64);
    let kib = |name| number_after(&status, name).and_then(|kib| kib.checked_mul(1024));
    ProcessUse {
        cpu: cpu_time(),
        resident: kib("VmRSS:"),
        virtual_size: kib("VmSize:"),
        threads: number_after(&status, "Threads:"),
        open_files: open,
        open_files_max: number_after(&limits, "Max open files"),
    }
}

fn cpu_time() -> Duration {
    let at = clock_gettime(ClockId::ProcessCPUTime);
    let parts = (u64::try_from(at.tv_sec), u32::try_from(at.tv_nsec));
    Duration::new(parts.0.unwrap_or_default(), parts.1.unwrap_or_default())
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something_of_everything() {
        let used = process_use();
        assert!(used.resident > Some(1 << 20) && used.virtual_size >= used.resident, "{used:?}");
        assert!(used.threads >= Some(1) && used.open_files >= Some(3), "{used:?}");
        assert!(used.open_files_max >= used.open_files, "{used:?}");
        let mut sum = 0_u64;
        while process_use().cpu == used.cpu {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }

    #[test]
    fn the_first_number_behind_a_name_is_read() {
        let text = "Threads:\t7\nMax open files            1024                 524288               files\n";
        assert_eq!(number_after(text, "Threads:"), Some(7));
        assert_eq!(number_after(text, "Max open files"), Some(1024));
        assert_eq!(number_after("Max open files unlimited unlimited files", "Max open files"), None);
        assert_eq!(number_after("", "Threads:"), None);
    }
}
