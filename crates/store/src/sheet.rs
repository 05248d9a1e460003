//! Many rows on their way into one statement, whatever the database makes of them.

/// Rows of one table.
pub(crate) trait Sheet {
    /// A row that is being written.
    type Line<'a>: Line
    where
        Self: 'a;

    /// Begins a row; its fields follow in the order of the statement's columns.
    fn row(&mut self) -> Self::Line<'_>;

    /// Whether there is no row.
    fn is_empty(&self) -> bool;
}

/// The fields of one row.
pub(crate) trait Line: Sized {
    fn int(self, value: impl Into<i64>) -> Self;
    fn opt_int(self, value: Option<i64>) -> Self;
    fn text(self, value: &str) -> Self;
    fn opt_text(self, value: Option<&str>) -> Self;
    fn bytes(self, value: &[u8]) -> Self;

    /// Sequences and times: databases know signed numbers only.
    fn nat(self, value: u64) -> Self {
        self.int(value.cast_signed())
    }
}
