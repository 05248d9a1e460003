//! What the kernel knows of a process: the time that it ran and the memory that it took.

use std::fs;

use anyhow::{Context as _, Result};

/// What a process has taken so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Time on processors, in user and in kernel mode, in seconds.
    pub cpu_s: f64,
    /// The most memory that it held at a time, in bytes.
    pub peak: u64,
}

/// Looks at a process.
///
/// # Errors
/// When it has ended, or this is not Linux.
pub fn usage(pid: u32) -> Result<Usage> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}: the benchmark needs Linux"))
    };
    let (stat, status) = (read("stat")?, read("status")?);
    let ticks = cpu_ticks(&stat).context("/proc/<pid>/stat has another form")?;
    let peak = peak_kb(&status).context("/proc/<pid>/status has no VmHWM")? * 1024;
    Ok(Usage { cpu_s: as_f64(ticks) / as_f64(rustix::param::clock_ticks_per_second()), peak })
}

/// A count as a number to calculate with.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

/// `utime` and `stime` are the 14th and 15th field; the second one, a name in parentheses, may hold spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn peak_kb(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "77 (a ) b) S 1 77 77 0 -1 4194560 1168 0 0 0 31 12 0 0 20 0 4 0 9 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(43));
        assert_eq!(cpu_ticks("77 (x"), None);
    }

    #[test]
    fn this_process_has_taken_something() {
        assert!(usage(std::process::id()).unwrap().peak > 0);
        assert_eq!(peak_kb("VmPeak:\t 9 kB\nVmHWM:\t     812 kB\n"), Some(812));
    }
}
