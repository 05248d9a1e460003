//! Results as a table of Markdown.

use std::fmt::Write as _;

/// A table below a heading.
pub(crate) struct Table {
    text: String,
}

impl Table {
    /// The first column is of names, the others of numbers.
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        let numbers = " ---: |".repeat(columns.len().saturating_sub(1));
        Self { text: format!("### {title}\n\n| {} |\n| --- |{numbers}\n", columns.join(" | ")) }
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    pub(crate) fn text(self) -> String {
        self.text
    }
}

/// A number with so many digits behind the point; a dash for none.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

#[test]
fn a_table_has_a_column_for_each_name() {
    let mut table = Table::new("Rooms", &["rooms", "ev/s"]);
    table.row(&["10".to_owned(), number(Some(1234.56), 0)]);
    table.row(&["20".to_owned(), number(None, 0)]);
    assert_eq!(table.text(), "### Rooms\n\n| rooms | ev/s |\n| --- | ---: |\n| 10 | 1235 |\n| 20 | – |\n");
}
