//! What has arrived of a body, in memory that is paid for.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use event::quarantine::BEGINNING;
use tokio::sync::OwnedSemaphorePermit;

use super::Body;

/// Memory is counted in pieces of this size.
pub(super) const PIECE: usize = 1024;
/// What arrives in many pieces is held in segments of this size: one that grows would be copied again and again, and leave
/// as much memory behind as it has.
const SEGMENT: usize = 64 << 10;

/// What has arrived of a body: most are one piece, which then is not copied. A piece that more is to follow is copied, or
/// a few bytes would keep the whole buffer that they were read into.
#[derive(Default)]
pub(super) struct Held {
    first: Bytes,
    rest: Vec<BytesMut>,
    len: usize,
    memory: Option<OwnedSemaphorePermit>,
    /// Bytes that are paid for, and the pieces that they came to.
    bytes: usize,
    pieces: usize,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many pieces are to be paid for so many bytes more.
    pub(super) fn lacks(&self, bytes: usize) -> u32 {
        let pieces = (self.bytes + bytes).div_ceil(PIECE);
        u32::try_from(pieces.saturating_sub(self.pieces)).unwrap_or(u32::MAX)
    }

    /// So many bytes more are paid for.
    pub(super) fn paid(&mut self, bytes: usize, permit: OwnedSemaphorePermit) {
        self.pieces += permit.num_permits();
        self.bytes += bytes;
        match &mut self.memory {
            Some(held) => held.merge(permit),
            None => self.memory = Some(permit),
        }
    }

    /// Adds what came, or `all_of_it`.
    pub(super) fn add(&mut self, mut data: Bytes, all_of_it: bool) {
        let before = self.len;
        self.len += data.len();
        if all_of_it && before == 0 {
            self.first = data;
            return;
        }
        while !data.is_empty() {
            let full = self.rest.last().is_none_or(|last| last.len() >= SEGMENT);
            if full {
                self.rest.push(BytesMut::with_capacity(data.len().max(self.len - data.len()).min(SEGMENT)));
            }
            if let Some(last) = self.rest.last_mut() {
                let fits = data.len().min(SEGMENT - last.len());
                last.extend_from_slice(&data.split_to(fits));
            }
        }
    }

    /// No more than is kept of a body that is too large.
    pub(super) fn beginning(self) -> Body {
        let Body { bytes, memory } = self.whole();
        Body { bytes: Bytes::copy_from_slice(bytes.get(..BEGINNING).unwrap_or(&bytes)), memory }
    }

    pub(super) fn whole(mut self) -> Body {
        let bytes = match self.rest.pop() {
            None => self.first,
            Some(only) if self.rest.is_empty() => only.freeze(),
            Some(last) => {
                let mut whole = BytesMut::with_capacity(self.len);
                for segment in self.rest.into_iter().chain([last]) {
                    whole.extend_from_slice(&segment);
                }
                whole.freeze()
            }
        };
        Body { bytes, memory: self.memory.map(Arc::new) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_that_is_one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let mut held = Held::default();
        held.add(piece.clone(), true);
        assert_eq!(held.whole().bytes.as_ptr(), piece.as_ptr());
        let mut held = Held::default();
        held.add(piece.slice(..50), false);
        held.add(piece.slice(50..), true);
        let whole = held.whole().bytes;
        assert_eq!(whole, piece);
        assert_ne!(whole.as_ptr(), piece.as_ptr());
    }

    #[test]
    fn whatever_the_pieces_are_the_whole_is_what_was_sent() {
        let sent: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        for size in [1, 777, SEGMENT - 1, SEGMENT, SEGMENT + 1, 150_000, 300_000] {
            let mut held = Held::default();
            for piece in sent.chunks(size) {
                held.add(Bytes::copy_from_slice(piece), false);
            }
            assert_eq!(held.len(), sent.len());
            assert!(held.whole().bytes == sent, "{size}");
        }
        assert!(Held::default().whole().bytes.is_empty());
    }
}
