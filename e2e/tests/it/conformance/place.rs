//! Where a crash says that it happened.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Checks that an error has the words of a crash and names the line of the author's file in which they stand, as `file:line`.
pub(super) fn check(error: &str, words: &str, folder: &Path, source: &str) -> Result<()> {
    assert!(error.contains(words), "{error:?} is not in the words of the crash: {words}");
    let text = fs::read_to_string(folder.join(source)).context("cannot read the guest's source")?;
    let file = format!("{source}:");
    let places = error.split(&file).skip(1);
    let numbers = places.filter_map(|rest| rest.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok());
    let named: Vec<&str> = numbers.filter_map(|number: usize| text.lines().nth(number.checked_sub(1)?)).collect();
    assert!(named.iter().any(|line| line.contains(words)), "{error:?} names {named:#?}");
    Ok(())
}
