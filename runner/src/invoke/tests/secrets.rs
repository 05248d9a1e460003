//! Secrets reach the guest that is granted them, and no log or record.

use service::config::SecretText;

use super::rig::{Rig, logs, published, rooms};
use super::*;
use crate::host::Mask;

const SECRET: &str = "hunter22-and-more";

async fn rig(behaviours: &[&str]) -> Rig {
    let secrets = BTreeMap::from([("TOKEN".to_owned(), SecretText::from(SECRET))]);
    let grants = Grants { mask: Arc::new(Mask::of(&secrets)), secrets, ..Grants::default() };
    Rig::behave(rooms(behaviours.iter().copied()), Duration::from_secs(2), grants).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_secret_is_read_and_every_other_is_denied() {
    let rig = rig(&["secret:TOKEN", "secret:OTHER", "secret:token"]).await;
    assert_eq!(published(&rig.call("r0").await), SECRET);
    for room in ["r1", "r2"] {
        let finished = rig.call(room).await;
        assert_eq!(published(&finished), "Error::Denied");
        assert!(logs(&finished).contains("add it to the handler's `secrets`"), "{}", logs(&finished));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_the_guest_writes_down_is_masked_everywhere() {
    let rig = rig(&["leak-secret:TOKEN"]).await;
    let finished = rig.call("r0").await;
    let report = &finished.report;
    let everything = format!("{report:?}{:?}{:?}", finished.logs, rig.generation.grants);
    assert!(!everything.contains("hunter22"), "{everything}");
    for text in [&report.error, &report.stderr, &report.logs] {
        assert!(text.as_deref().is_some_and(|text| text.contains("[secret TOKEN]")), "{report:?}");
    }
}
