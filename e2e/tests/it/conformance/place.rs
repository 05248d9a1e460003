//! Where a crash says that it happened.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Checks that a crash names a line of the author's file in which its words stand. `place` is how the language names the
/// file; the line's number follows.
pub(super) fn check(stderr: &str, words: &str, source: &Path, place: &str) -> Result<()> {
    let source = fs::read_to_string(source).context("cannot read the guest's source")?;
    let places = stderr.match_indices(place).filter_map(|(at, place)| stderr.get(at + place.len()..));
    let numbers = places.filter_map(|rest| rest.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok());
    let named: Vec<&str> = numbers.filter_map(|number: usize| source.lines().nth(number.checked_sub(1)?)).collect();
    assert!(named.iter().any(|line| line.contains(words)), "{stderr}\nnames {named:#?}");
    Ok(())
}
