//! Processes end as they are told to, and their output can be read.

use std::process::Command;
use std::time::Duration;

use testkit::Process;

const LONG: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::spawn("sh", command).unwrap()
}

#[tokio::test]
async fn the_exit_code_and_both_outputs_are_kept() {
    let process = shell("echo out; echo err >&2; exit 3");
    assert_eq!(process.wait_exit(LONG).await.unwrap().code(), Some(3));
    assert!(process.log().contains("out\n") && process.log().contains("err\n"));
}

#[tokio::test]
async fn a_signal_reaches_the_process_and_nobody_after_its_end() {
    // Not INT: what a shell starts in the background ignores that, and so would its children.
    let process = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    process.wait_log("ready", LONG).await.unwrap();
    process.sigterm().unwrap();
    assert_eq!(process.wait_exit(LONG).await.unwrap().code(), Some(7));
    assert!(process.sigterm().is_err());
}

#[tokio::test]
async fn waiting_for_a_line_ends_with_the_process() {
    let process = shell("echo something else");
    let error = process.wait_log("ready", LONG).await.unwrap_err();
    assert!(format!("{error:?}").contains("something else"));
}
