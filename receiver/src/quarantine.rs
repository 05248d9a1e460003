//! Keeps what is refused: a refusal is answered only when its request is in the quarantine.

mod rate;
mod record;

use std::sync::{Mutex, PoisonError};

use async_nats::HeaderMap;
use bytes::Bytes;
use event::quarantine::{Class, Quarantined};
use event::{Prefix, header, topology};
use service::config::QuarantineSection;
use tokio::time::Instant;

use crate::config::Config;
use crate::outcome::Fault;
use crate::publish::Publisher;
use rate::Bucket;

pub(crate) use record::{Request, record};

/// Puts refused requests into the stream of their class.
#[derive(Debug)]
pub(crate) struct Quarantine {
    publisher: Publisher,
    prefix: Prefix,
    rate: u32,
    buckets: [(Class, Mutex<Bucket>); 3],
}

impl Quarantine {
    pub(crate) fn new(publisher: Publisher, config: &Config, section: &QuarantineSection) -> Quarantine {
        let rate = section.rate.get();
        let now = Instant::now().into_std();
        let buckets = Class::ALL.map(|class| (class, Mutex::new(Bucket::new(rate, now))));
        Quarantine { publisher, prefix: config.streams.prefix.clone(), rate, buckets }
    }

    /// Keeps a request. Whoever gets a fault does not know whether it is kept; the same request is kept once.
    pub(crate) async fn keep(&self, refused: &Quarantined, body: Bytes, deadline: Instant) -> Result<(), Fault> {
        if !self.has_room(refused.class) {
            return Err(Fault::QuarantineRate { class: refused.class.as_str(), rate: self.rate });
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MSG_ID, refused.message_id(&body));
        for (name, value) in refused.headers() {
            headers.insert(name, value);
        }
        let stream = topology::quarantine_stream(&self.prefix, refused.class);
        let within = deadline.saturating_duration_since(Instant::now());
        let message = || (refused.subject(&self.prefix), headers.clone(), body.clone());
        let kept = self.publisher.publish(&stream, &message, within).await;
        kept.map(drop).map_err(|fault| Fault::Quarantine { why: fault.to_string() })
    }

    fn has_room(&self, class: Class) -> bool {
        let bucket = self.buckets.iter().find(|(of, _)| *of == class);
        bucket.is_some_and(|(_, bucket)| {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now().into_std())
        })
    }
}
