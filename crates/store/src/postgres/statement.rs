//! The statement of a commit: one, however many commits and rows it carries.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    sheet::ColumnSheet,
    tables::{self, ADVANCE, COMMITS, ENDED, Exact, Table, keyvalue},
};
use crate::{sheet::Sheet as _, sorting::Sheets};

/// Rows of commits, by table.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) commits: ColumnSheet,
    pub(crate) ended: ColumnSheet,
    pub(crate) cleared: ColumnSheet,
    pub(crate) lanes: ColumnSheet,
    pub(crate) lanes_gone: ColumnSheet,
    pub(crate) sheets: Sheets<ColumnSheet>,
}

impl Rows {
    pub(crate) fn new() -> Self {
        let of = |table: &'static Table| ColumnSheet::new(&table.shape);
        Self {
            commits: ColumnSheet::new(&COMMITS),
            ended: ColumnSheet::new(&ENDED),
            cleared: of(&tables::SUSPECTS),
            lanes: of(&tables::LANES),
            lanes_gone: of(&tables::LANES_GONE),
            sheets: Sheets {
                ledger: of(&tables::LEDGER),
                ledger_changed: of(&tables::LEDGER_CHANGED),
                parked: of(&tables::PARKED),
                parked_changed: of(&tables::PARKED_CHANGED),
                parked_gone: of(&tables::PARKED_GONE),
                retrying: of(&tables::RETRYING),
                retrying_gone: of(&tables::RETRYING_GONE),
                attempts: of(&tables::ATTEMPTS),
                dead: of(&tables::DEAD),
                redriven: of(&tables::REDRIVEN),
                outbox: of(&tables::OUTBOX),
                touched: of(&keyvalue::TOUCHED),
                seen: of(&keyvalue::SEEN),
                listed: of(&keyvalue::LISTED),
                put: of(&keyvalue::PUT),
                removed: of(&keyvalue::REMOVED),
            },
        }
    }

    /// The rows from here on are the `n`th commit's.
    pub(crate) fn rows_of(&mut self, n: i64) {
        let Self { commits, ended, cleared, lanes, lanes_gone, sheets } = self;
        let Sheets {
            ledger,
            ledger_changed,
            parked,
            parked_changed,
            parked_gone,
            retrying,
            retrying_gone,
            attempts,
            dead,
            redriven,
            outbox,
            touched,
            seen,
            listed,
            put,
            removed,
        } = sheets;
        for sheet in [
            commits,
            ended,
            cleared,
            lanes,
            lanes_gone,
            ledger,
            ledger_changed,
            parked,
            parked_changed,
            parked_gone,
            retrying,
            retrying_gone,
            attempts,
            dead,
            redriven,
            outbox,
            touched,
            seen,
            listed,
            put,
            removed,
        ] {
            sheet.rows_of(n);
        }
    }

    /// The tables that rows go to, with the rows, in a fixed order.
    fn parts(self) -> (ColumnSheet, ColumnSheet, Vec<(&'static Table, ColumnSheet)>) {
        let sheets = self.sheets;
        let keys = !sheets.touched.is_empty();
        let parts = [
            (&tables::SUSPECTS, self.cleared),
            (&tables::LEDGER, sheets.ledger),
            (&tables::LEDGER_CHANGED, sheets.ledger_changed),
            (&tables::PARKED, sheets.parked),
            (&tables::PARKED_CHANGED, sheets.parked_changed),
            (&tables::PARKED_GONE, sheets.parked_gone),
            (&tables::RETRYING, sheets.retrying),
            (&tables::RETRYING_GONE, sheets.retrying_gone),
            (&tables::ATTEMPTS, sheets.attempts),
            (&tables::REDRIVEN, sheets.redriven),
            (&tables::DEAD, sheets.dead),
            (&tables::OUTBOX, sheets.outbox),
            (&tables::LANES, self.lanes),
            (&tables::LANES_GONE, self.lanes_gone),
        ];
        // Buckets are counted by the keys that are changed, which may be none.
        let of_keys = [
            (&keyvalue::SEEN, sheets.seen),
            (&keyvalue::LISTED, sheets.listed),
            (&keyvalue::TOUCHED, sheets.touched),
            (&keyvalue::PUT, sheets.put),
            (&keyvalue::REMOVED, sheets.removed),
        ];
        let parts = parts.into_iter().filter(|(_, rows)| !rows.is_empty());
        let parts = parts.chain(of_keys.into_iter().filter(|_| keys)).collect();
        (self.commits, self.ended, parts)
    }
}

/// What the statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// To write.
    Write,
    /// To see whether it could: it fails in any case, with [`ONLY_TRIED`] if nothing else is wrong.
    Try,
}

/// The code of the error of a statement that was only tried: a text that is no number.
pub(crate) const ONLY_TRIED: &str = "22P02";

/// The code of the error where a row is not where it was: a division by zero.
pub(crate) const NOT_THERE: &str = "22012";

/// The code of the error where the statement has not seen what others wrote just now: a logarithm of zero.
pub(crate) const STALE: &str = "2201E";

/// The tables that a statement touches, and what it is for.
type Made = (Vec<&'static str>, Purpose);

/// The statements that were made so far: one for each set of tables that commits have touched together.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    made: Mutex<HashMap<Made, Arc<str>>>,
}

impl Statements {
    /// The statement for these rows, and the arrays to bind after `$1`, which is the time.
    pub(crate) fn of(&self, rows: Rows, purpose: Purpose) -> (Arc<str>, Vec<ColumnSheet>) {
        let (commits, ended, parts) = rows.parts();
        let names = parts.iter().map(|(table, _)| table.shape.name).collect();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let tables: Vec<&'static Table> = parts.iter().map(|(table, _)| *table).collect();
        let sql = made.entry((names, purpose)).or_insert_with(|| make(&tables, purpose).into());
        let arrays = [commits, ended].into_iter().chain(parts.into_iter().map(|(_, rows)| rows)).collect();
        (Arc::clone(sql), arrays)
    }
}

/// Answers with the commits (`n`) that were written: the others have lost their epoch.
fn make(tables: &[&'static Table], purpose: Purpose) -> String {
    let mut first = 2;
    let mut parts = Vec::with_capacity(3 + 2 * tables.len());
    for shape in [&COMMITS, &ENDED] {
        parts.push(shape.input(first));
        first += shape.columns.len();
    }
    for table in tables {
        parts.push(table.shape.input(first));
        first += table.shape.columns.len();
    }
    parts.push(ADVANCE.to_owned());
    let (mut there, mut fresh) = (vec!["true".to_owned()], vec!["true".to_owned()]);
    let mut counts = vec!["0".to_owned()];
    for table in tables {
        let name = table.shape.name;
        parts.push(format!("{name}_now as ({})", table.sql));
        counts.push(format!("(select count(*) from {name}_now)"));
        let all = || {
            let wanted = format!("(select count(*) from {name} as r join mine as m on m.n = r.n)");
            format!("(select count(*) from {name}_now) = {wanted}")
        };
        match table.exact {
            Exact::No => {}
            Exact::There => there.push(all()),
            Exact::Fresh => fresh.push(all()),
        }
    }
    // What must be fresh is looked at first: the rest is judged by what was seen.
    let fresh = format!("ln(cast(case when {} then 1 else 0 end as double precision))", fresh.join(" and "));
    let whole = format!("1 / (case when {} then 1 else 0 end)", there.join(" and "));
    let tried = match purpose {
        Purpose::Write => "0".to_owned(),
        // It counts what was changed, so that nothing is left to be done when it fails.
        Purpose::Try => {
            format!("cast(case when n + {} >= 0 then 'only tried' else '0' end as bigint)", counts.join(" + "))
        }
    };
    format!("with {}\nselect n, {fresh} as fresh, {whole} as whole, {tried} as tried from mine", parts.join(",\n"))
}
