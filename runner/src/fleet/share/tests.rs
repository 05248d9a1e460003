//! Tables of who should have what, and that runners that follow the rule come to rest.

use std::collections::BTreeSet;

use super::*;

fn member(name: &str, handlers: &[(&str, u16)]) -> Member {
    Member { name: name.to_owned(), handlers: handlers.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect() }
}

fn fleet(members: Vec<Member>, taken: &[(&str, Shard, &str)]) -> Fleet {
    let taken = taken.iter().map(|(handler, shard, owner)| (((*handler).to_owned(), *shard), (*owner).to_owned()));
    Fleet { members, taken: taken.collect(), ..Fleet::default() }
}

fn owned(shards: &[Shard]) -> BTreeMap<Shard, Standing> {
    shards.iter().map(|shard| (*shard, Standing::Owned)).collect()
}

#[test]
fn shares_of_a_handler_differ_by_one_at_most_and_add_up_and_so_do_the_sums() {
    for runners in 1..=5 {
        for handlers in 1..=4_usize {
            for shards in [1_u16, 3, 4, 7, 8] {
                let names: Vec<String> = (0..handlers).map(|n| format!("h{n}")).collect();
                let wanted: Vec<(&str, u16)> = names.iter().map(|name| (name.as_str(), shards)).collect();
                let members: Vec<Member> = (0..runners).map(|n| member(&format!("r{n}"), &wanted)).collect();
                let mut sums = vec![0; runners];
                for name in &names {
                    let shares: Vec<usize> =
                        members.iter().map(|me| share(&members, &me.name, name).unwrap().0).collect();
                    assert_eq!(shares.iter().sum::<usize>(), usize::from(shards));
                    assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
                    sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
                }
                assert!(sums.iter().max().unwrap() - sums.iter().min().unwrap() <= 1, "{sums:?}");
            }
        }
    }
}

#[test]
fn only_those_that_run_a_handler_share_it() {
    let members = vec![member("a", &[("x", 4), ("y", 4)]), member("b", &[("y", 4)]), member("c", &[])];
    assert_eq!(share(&members, "a", "x"), Some((4, 0)));
    assert_eq!(share(&members, "b", "x"), None);
    assert_eq!((share(&members, "a", "y"), share(&members, "b", "y")), (Some((2, 0)), Some((2, 1))));
    assert_eq!(share(&members, "c", "y"), None);
    assert_eq!(share(&members, "a", "z"), None);
}

#[test]
fn a_runner_takes_what_is_free_and_gives_back_what_is_too_much() {
    let h = [("h", 4)];
    let alone = || vec![member("a", &h)];
    let two = || vec![member("a", &h), member("b", &h)];
    let sources = [0, 1, 2, 3];
    let leaving = [(0, Standing::Owned), (1, Standing::Owned), (2, Standing::Leaving), (3, Standing::Leaving)];
    let claiming = [(0, Standing::Claiming), (1, Standing::Claiming)];
    let both = [("h", 0, "a"), ("h", 1, "a")];
    let all = [("h", 0, "a"), ("h", 1, "a"), ("h", 2, "a"), ("h", 3, "a")];
    for (name, fleet, me, standing, claim, give_back) in [
        ("alone, it takes all", fleet(alone(), &[]), "a", owned(&[]), vec![0, 1, 2, 3], vec![]),
        ("what is being claimed is not claimed again", fleet(alone(), &[]), "a", claiming.into(), vec![2, 3], vec![]),
        (
            "of two, each takes its share from a place of its own",
            fleet(two(), &[]),
            "b",
            owned(&[]),
            vec![2, 3],
            vec![],
        ),
        ("another joined: the end is given back", fleet(two(), &all), "a", owned(&sources), vec![], vec![3, 2]),
        ("what leaves is not given back again", fleet(two(), &all), "a", leaving.into(), vec![], vec![]),
        ("what another one has is not claimed", fleet(two(), &both), "b", owned(&[]), vec![2, 3], vec![]),
        ("all is taken still: it waits", fleet(two(), &all), "b", owned(&[]), vec![], vec![]),
        ("the other one is gone", fleet(alone(), &both), "a", owned(&[0, 1]), vec![2, 3], vec![]),
        ("left of a claim that went wrong", fleet(alone(), &all), "a", owned(&[0, 1, 2]), vec![3], vec![]),
        ("it does not run the handler", fleet(vec![member("a", &[])], &[]), "a", owned(&[]), vec![], vec![]),
    ] {
        assert_eq!(change(&fleet, me, "h", &sources, &standing), Change { claim, give_back }, "{name}");
    }
}

/// Plays runners that come and go until nobody changes anything, and returns how many moves it took.
fn settle(names: &[&str], owners: &mut BTreeMap<Shard, String>, sources: &[Shard]) -> usize {
    let h = [("h", u16::try_from(sources.len()).unwrap())];
    let members: Vec<Member> = names.iter().map(|name| member(name, &h)).collect();
    owners.retain(|_, owner| names.contains(&owner.as_str()));
    for moves in 0.. {
        let mut changed = false;
        for me in names {
            let taken = owners.iter().map(|(shard, owner)| (("h".to_owned(), *shard), owner.clone())).collect();
            let fleet = Fleet { members: members.clone(), taken, ..Fleet::default() };
            let standing =
                owners.iter().filter(|(_, owner)| owner == me).map(|(shard, _)| (*shard, Standing::Owned)).collect();
            let change = change(&fleet, me, "h", sources, &standing);
            changed |= change != Change::default();
            change.give_back.iter().for_each(|shard| drop(owners.remove(shard)));
            change.claim.iter().for_each(|shard| drop(owners.insert(*shard, (*me).to_owned())));
        }
        if !changed {
            return moves;
        }
        assert!(moves < 10, "they never come to rest");
    }
    0
}

#[test]
fn whoever_comes_or_goes_all_shards_find_an_owner_and_most_stay_where_they_are() {
    let sources: Vec<Shard> = (0..12).collect();
    let mut owners = BTreeMap::new();
    let mut before: BTreeMap<Shard, String> = BTreeMap::new();
    for (names, moved_at_most) in [
        (vec!["a"], 12),
        (vec!["a", "b"], 6),
        (vec!["a", "b", "c"], 4),
        (vec!["b", "c"], 4),
        (vec!["b", "c", "d", "e"], 6),
        (vec!["e"], 9),
    ] {
        settle(&names, &mut owners, &sources);
        assert_eq!(owners.keys().copied().collect::<BTreeSet<_>>(), sources.iter().copied().collect());
        let mut counts: BTreeMap<&str, usize> = names.iter().map(|name| (*name, 0)).collect();
        for owner in owners.values() {
            *counts.entry(owner).or_default() += 1;
        }
        assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1, "{counts:?}");
        let moved = owners.iter().filter(|(shard, owner)| before.get(shard) != Some(owner)).count();
        assert!(moved <= moved_at_most, "{names:?}: {moved} moved");
        before.clone_from(&owners);
    }
}
