//! Says on which machine and with which programs it is measured.

use std::fs;
use std::process::Command;

/// Cores, memory, kernel, nats-server and Node.
#[must_use]
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let nats = testkit::nats_server_binary().ok().map(|binary| version(&mut Command::new(binary), "--version"));
    format!(
        "{cores} cores of {}, {} GB, Linux {}; {}; Node {}",
        processor().unwrap_or_else(|| "an unknown processor".to_owned()),
        memory_gb().unwrap_or_default(),
        kernel.trim(),
        nats.unwrap_or_default(),
        version(&mut Command::new("node"), "--version"),
    )
}

/// What a program says of itself.
#[must_use]
pub fn version(command: &mut Command, flag: &str) -> String {
    let output = command.arg(flag).output().ok();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|| "unknown".to_owned())
}

fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gb() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let kb: u64 =
        info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.split_whitespace().next()?.parse().ok()?;
    Some((kb + (1 << 19)) >> 20)
}
