//! What the invocations of one commit come to together: what must still stand, and what is written in the end.

use std::collections::{BTreeMap, BTreeSet};

use lanes::{Change, Conflict, ConflictKind, Shard};

use super::{Bucket, Keyvalue, Spot, Write};
use crate::{
    Row,
    sheet::{Line as _, Sheet},
    sorting::Sheets,
};

/// The place of a bucket's counts where the lanes of all shards share its keys.
const EVERYBODY: i64 = -1;

/// What a row's invocation did with keys, if that is to be committed.
fn of(row: &Row) -> Option<&Keyvalue> {
    match &row.change {
        Change::Settled { report: Some(report), .. } if !report.keyvalue.is_empty() => Some(&report.keyvalue),
        _ => None,
    }
}

/// The rows of one commit.
#[derive(Debug, Default)]
pub(crate) struct Net<'a> {
    /// Versions that must stand.
    seen: BTreeMap<&'a Spot, i64>,
    /// How often a bucket must have been changed.
    listed: BTreeMap<&'a Bucket, i64>,
    /// The last word on each key, with its version.
    last: BTreeMap<&'a Spot, (&'a Write, i64)>,
    /// Every bucket that it touches.
    touched: BTreeSet<&'a Bucket>,
}

impl<'a> Net<'a> {
    /// What rows come to; none if they contradict each other, because one of them has read what another one before it
    /// has changed.
    pub(crate) fn of(rows: impl IntoIterator<Item = &'a Row>) -> Option<Self> {
        let mut net = Self::default();
        for keyvalue in rows.into_iter().filter_map(of) {
            for (spot, version) in &keyvalue.reads {
                let known = net.last.get(spot).map(|(write, stamp)| write.version(*stamp));
                let known = known.unwrap_or_else(|| *net.seen.entry(spot).or_insert(*version));
                if known != *version {
                    return None;
                }
                net.touched.insert(&spot.bucket);
            }
            for (bucket, changes) in &keyvalue.lists {
                let written = net.last.keys().any(|spot| spot.bucket == *bucket);
                if written || *net.listed.entry(bucket).or_insert(*changes) != *changes {
                    return None;
                }
                net.touched.insert(bucket);
            }
            net.write(keyvalue);
        }
        Some(net)
    }

    /// What rows would write, whatever they have read.
    pub(crate) fn unchecked(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut net = Self::default();
        rows.into_iter().filter_map(of).for_each(|keyvalue| net.write(keyvalue));
        net
    }

    fn write(&mut self, keyvalue: &'a Keyvalue) {
        for write in &keyvalue.writes {
            self.touched.insert(&write.spot.bucket);
            self.last.insert(&write.spot, (write, keyvalue.stamp));
        }
    }

    pub(crate) fn add_to<S: Sheet>(&self, sheets: &mut Sheets<S>, shard: Shard) {
        let place = |bucket: &Bucket| if bucket.contended { EVERYBODY } else { i64::from(shard) };
        for bucket in &self.touched {
            let changed = self.last.keys().any(|spot| spot.bucket == **bucket);
            drop(sheets.touched.row().text(&bucket.name).int(place(bucket)).int(changed));
        }
        for (spot, version) in &self.seen {
            drop(sheets.seen.row().text(&spot.bucket.name).text(&spot.space).text(&spot.key).int(*version));
        }
        for (bucket, changes) in &self.listed {
            drop(sheets.listed.row().text(&bucket.name).int(place(bucket)).int(*changes));
        }
        for (spot, (write, stamp)) in &self.last {
            let Spot { bucket, space, key } = spot;
            match &write.value {
                None => drop(sheets.removed.row().text(&bucket.name).text(space).text(key).int(place(bucket))),
                Some(value) => {
                    let line = sheets.put.row().text(&bucket.name).text(space).text(key).bytes(value).int(*stamp);
                    drop(line.opt_int(write.ttl_ms.map(u64::cast_signed)).int(place(bucket)));
                }
            }
        }
    }
}

/// The contended buckets that a commit touches: commits that share one of them are written one after another.
pub(crate) fn contended(rows: &[Row]) -> BTreeSet<&Bucket> {
    let all = rows.iter().filter_map(of).flat_map(|keyvalue| {
        let reads = keyvalue.reads.iter().map(|(spot, _)| &spot.bucket);
        let lists = keyvalue.lists.iter().map(|(bucket, _)| bucket);
        reads.chain(lists).chain(keyvalue.writes.iter().map(|write| &write.spot.bucket))
    });
    all.filter(|bucket| bucket.contended).collect()
}

/// What stands of the keys that were read.
#[derive(Debug, Default)]
pub(crate) struct Current<'a> {
    pub(crate) versions: BTreeMap<&'a Spot, i64>,
    pub(crate) changes: BTreeMap<&'a Bucket, i64>,
}

impl<'a> Current<'a> {
    /// Everything that rows have read, to be looked up.
    pub(crate) fn asked(rows: &[&'a Row]) -> (BTreeSet<&'a Spot>, BTreeSet<&'a Bucket>) {
        let (mut spots, mut buckets) = (BTreeSet::new(), BTreeSet::new());
        for keyvalue in rows.iter().copied().filter_map(of) {
            spots.extend(keyvalue.reads.iter().map(|(spot, _)| spot));
            buckets.extend(keyvalue.lists.iter().map(|(bucket, _)| bucket));
        }
        (spots, buckets)
    }
}

/// Which rows have read what is another by now, or is once the rows before them are written.
pub(crate) fn in_vain<'a>(rows: &[&'a Row], mut current: Current<'a>) -> Vec<Conflict> {
    let mut written: BTreeSet<&Bucket> = BTreeSet::new();
    let mut conflicts = Vec::new();
    for row in rows.iter().copied() {
        let Some(keyvalue) = of(row) else { continue };
        let stands =
            |(spot, version): &(Spot, i64)| current.versions.get(spot).copied().unwrap_or_default() == *version;
        let listed = |(bucket, changes): &(Bucket, i64)| {
            !written.contains(bucket) && current.changes.get(bucket).copied().unwrap_or_default() == *changes
        };
        if keyvalue.reads.iter().all(stands) && keyvalue.lists.iter().all(listed) {
            for write in &keyvalue.writes {
                current.versions.insert(&write.spot, write.version(keyvalue.stamp));
                written.insert(&write.spot.bucket);
            }
        } else {
            conflicts.push(Conflict { seq: row.seq, kind: ConflictKind::Changed });
        }
    }
    conflicts
}

#[cfg(test)]
mod tests;
