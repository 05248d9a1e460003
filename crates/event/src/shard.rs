//! Which of the event streams an event belongs to.

use std::num::NonZeroU16;

use xxhash_rust::xxh3::Xxh3Default;

use crate::{OrderingKey, Project};

/// Name of the hash, as the metadata of the streams carries it.
pub const HASH: &str = "xxh3-64";

/// The shard of a key: XXH3-64 (seed 0) of the project, one zero byte and the key, modulo the number of shards.
///
/// The streams hold events by this rule, so it never changes under one [`HASH`] name. Vectors for other implementations:
///
/// | project | key | XXH3-64 | of 4 | of 16 |
/// | --- | --- | --- | --- | --- |
/// | `default` | `default` | `dfd818e0ab23b79b` | 3 | 11 |
/// | `default` | `standup-1` | `245bd8204656bd43` | 3 | 3 |
/// | `default` | `lk room/0 ü` | `4754a6734da6c555` | 1 | 5 |
/// | `default` | `EG_u7nVZqzNBCuR` | `a996b28baa52f04d` | 1 | 13 |
/// | `acme` | `standup-1` | `d434be5f20f42451` | 1 | 1 |
/// | `a` | `b` | `d5a06cd078125351` | 1 | 1 |
/// | `default` | 300 times `x` | `5f3477fdfa4d491d` | 1 | 13 |
#[must_use]
pub fn shard_of(project: &Project, key: &OrderingKey, shards: NonZeroU16) -> u16 {
    let rest = hash(project.as_str(), key.as_str()) % u64::from(shards.get());
    // The remainder of a division by a u16 fits one.
    u16::try_from(rest).unwrap_or_default()
}

fn hash(project: &str, key: &str) -> u64 {
    let mut hasher = Xxh3Default::new();
    hasher.update(project.as_bytes());
    hasher.update(&[0]);
    hasher.update(key.as_bytes());
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with the reference implementation of xxHash.
    #[test]
    fn the_vectors_of_the_documentation_hold() {
        let long = "x".repeat(300);
        for (project, key, expected, of4, of16) in [
            ("default", "default", 0xdfd8_18e0_ab23_b79b, 3, 11),
            ("default", "standup-1", 0x245b_d820_4656_bd43, 3, 3),
            ("default", "lk room/0 ü", 0x4754_a673_4da6_c555, 1, 5),
            ("default", "EG_u7nVZqzNBCuR", 0xa996_b28b_aa52_f04d, 1, 13),
            ("acme", "standup-1", 0xd434_be5f_20f4_2451, 1, 1),
            ("a", "b", 0xd5a0_6cd0_7812_5351, 1, 1),
            ("default", long.as_str(), 0x5f34_77fd_fa4d_491d, 1, 13),
        ] {
            assert_eq!(hash(project, key), expected, "{project} {key}");
            let shard = |n: u16| {
                let (project, key) = (Project::try_from(project).unwrap(), OrderingKey::try_from(key).unwrap());
                shard_of(&project, &key, NonZeroU16::new(n).unwrap())
            };
            assert_eq!((shard(4), shard(16), shard(1)), (of4, of16, 0), "{project} {key}");
        }
    }

    #[test]
    fn the_zero_byte_keeps_project_and_key_apart() {
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
    }

    #[test]
    fn rooms_spread_evenly() {
        let shards = NonZeroU16::new(16).unwrap();
        let mut counts = [0_u32; 16];
        for room in 0..16_000 {
            let key = OrderingKey::try_from(format!("room-{room}")).unwrap();
            counts[usize::from(shard_of(&Project::default(), &key, shards))] += 1;
        }
        assert!(counts.iter().all(|count| (850..=1150).contains(count)), "{counts:?}");
    }
}
