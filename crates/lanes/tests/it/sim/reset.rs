//! A stream is wiped or restored. That its next reader notices is taken for granted: it is the runner's part.

use lanes::{BYGONE, Identity, Progress, Seq, Shard};

use super::plan::Sabotage;
use super::store::{ShardStore, State};
use super::truth::Known;
use super::world::World;

impl World {
    /// The stream of a shard is another one from here on, which begins with a part of the old one or with nothing. Who
    /// owned the shard has it no more, whether it knows that or not.
    pub(crate) fn reset(&mut self, shard: Shard) {
        let at = usize::from(shard);
        // Whoever loses a shard during a lone run is taken for dead: here only killers die.
        if self.stores[at].lone.is_some() {
            return;
        }
        let stream = &mut self.truth.streams[at];
        let kept = if self.dice.percent(50) { 0 } else { self.dice.below(stream.len() + 1) };
        stream.truncate(kept);
        self.truth.lives[at] += 1;
        let clean = self.dice.percent(50);
        let sabotage = self.plan.sabotage;
        let known = self.truth.known.iter_mut().filter(|known| known.shard == shard).collect();
        let store = &mut self.stores[at];
        store.take_over();
        store.clean = clean;
        store.begin_again(kept as Seq, known, sabotage);
        self.seen.resets += 1;
        self.say(|| format!("* the stream of shard {shard} is another one, with {kept} of its messages"));
        let consumers = self.others.iter_mut().map(|process| &mut process.consumers);
        for consumers in consumers.chain([&mut self.process.consumers]) {
            consumers.remove(&shard);
        }
        // Operators look anew.
        for process in self.others.iter_mut().chain([&mut self.process]) {
            process.redrives.retain(|(of, ..)| *of != shard);
            process.skips.retain(|(of, ..)| *of != shard);
        }
    }
}

impl ShardStore {
    /// The progress begins again; what is parked or dead gets numbers that stand before all sequences, in its order.
    fn begin_again(&mut self, kept: Seq, known: Vec<&mut Known>, sabotage: Sabotage) {
        let books = self.progress.books;
        let all = books.done + books.skipped + books.filtered + books.duplicate + books.parked + books.dead;
        let filtered = self.ledger.values().filter(|row| row.state == State::Filtered).count() as u64;
        self.carried = (books.filtered - filtered, books.duplicate, all);
        if sabotage != Sabotage::KeepsFloor {
            self.progress = Progress { books, ..Progress::default() };
            self.progress.books.base = 0;
        }
        self.attempts.clear();
        self.suspects.clear();
        let mut known: Vec<&mut Known> = known;
        for known in &mut known {
            known.seqs.retain(|&seq| seq <= kept);
            known.handled = self.ledger.contains_key(&known.identity);
            known.number = None;
        }
        let waits = |state| matches!(state, State::Parked | State::Dead(_));
        let old = self.ledger.iter().filter(|(_, row)| waits(row.state));
        let mut old: Vec<(Seq, Identity)> = old.map(|(identity, row)| (row.seq, identity.clone())).collect();
        old.sort_by_key(|(seq, _)| seq.cast_signed());
        let bygone = old.iter().map(|(seq, _)| *seq).filter(|&seq| seq >= BYGONE);
        let first = bygone.max_by_key(|seq| seq.cast_signed()).map_or(BYGONE, |last| last + 1);
        let mut numbers = Vec::new();
        for ((seq, identity), number) in old.into_iter().zip(first..) {
            let number = if sabotage == Sabotage::KeepsNumbers { seq } else { number };
            self.ledger.get_mut(&identity).unwrap().seq = number;
            known.iter_mut().find(|known| known.identity == identity).unwrap().number = Some(number);
            numbers.push((seq, number));
        }
        let anew = |seq: Seq| numbers.iter().find(|(old, _)| *old == seq).unwrap().1;
        for ((key, _), mut event) in std::mem::take(&mut self.parked) {
            event.seq = anew(event.seq);
            event.event.seq = event.seq;
            self.parked.insert((key, event.seq.cast_signed()), event);
        }
        for (seq, mut row) in std::mem::take(&mut self.dead) {
            row.event.seq = anew(seq);
            self.dead.insert(row.event.seq, row);
        }
        let history = std::mem::take(&mut self.history).into_iter();
        let anew = |seq: Seq| numbers.iter().find(|(old, _)| *old == seq).map(|(_, number)| *number);
        self.history = history.filter_map(|((seq, made), exec)| Some(((anew(seq)?, made), exec))).collect();
    }
}
