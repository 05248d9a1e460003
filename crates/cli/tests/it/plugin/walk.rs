//! The page with five commands, as a reader would type them.

use std::time::Instant;

use testkit::workspace;

use super::new::path;
use crate::call::Place;
use crate::up::{SOON, Up};

/// The commands of the page's first block, without `roomwire`.
fn commands() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(workspace().join("docs/FIVE-COMMANDS.md")).unwrap();
    let block = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let words = |line: &str| line.split(' ').skip(1).map(str::to_owned).collect();
    block.lines().inspect(|line| assert!(line.starts_with("roomwire "), "{line}")).map(words).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_commands_of_the_page_lead_to_a_live_handler() {
    let (place, began) = (Place::new(), Instant::now());
    let commands = commands();
    assert_eq!(commands.len(), 5);
    let mut up = None;
    for command in &commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        if words[0] == "up" {
            // On free ports, as others run beside it.
            up = Some(Up::start(&place, &words[1..]).await);
            continue;
        }
        let output = tokio::task::block_in_place(|| {
            place.command(&words).env("PATH", path()).env("GOTOOLCHAIN", "local").output().unwrap()
        });
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let up = up.unwrap();
    up.process.wait_log("greeting ada in stand-up, attempt 1", SOON).await.unwrap();
    eprintln!("from `plugin new` to a handled event in {:.1?}", began.elapsed());
    up.stop().await;
}
