//! Many rows as the parameters of one statement: an array for each column.

use sqlx::{Postgres, postgres::PgArguments, query::Query};

use super::text::stored;
use crate::sheet::{Line, Sheet};

/// A statement of this driver.
pub(crate) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Bytes,
}

impl Kind {
    fn array(self) -> &'static str {
        match self {
            Self::Int => "bigint[]",
            Self::Text => "text[]",
            Self::Bytes => "bytea[]",
        }
    }
}

/// A table's rows as a statement sees them: a name, and its columns.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

impl Shape {
    /// `name as (select … from unnest(…))` over parameters from `first` on. The first column, `n`, says whose row it is;
    /// the last one, `place`, keeps the order.
    pub(crate) fn input(&self, first: usize) -> String {
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut names = Vec::with_capacity(self.columns.len());
        for (number, (name, kind)) in self.columns.iter().enumerate() {
            arrays.push(format!("${}::{}", first.saturating_add(number), kind.array()));
            names.push(*name);
        }
        let (name, arrays, names) = (self.name, arrays.join(", "), names.join(", "));
        format!("{name} as (select * from unnest({arrays}) with ordinality as r({names}, place))")
    }
}

#[derive(Debug)]
enum Column {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Vec<u8>>),
}

/// Rows for a [`Shape`].
#[derive(Debug)]
pub(crate) struct ColumnSheet {
    columns: Vec<Column>,
    /// Whose rows come now.
    n: i64,
    rows: usize,
}

impl ColumnSheet {
    pub(crate) fn new(shape: &'static Shape) -> Self {
        let columns = shape
            .columns
            .iter()
            .map(|(_, kind)| match kind {
                Kind::Int => Column::Int(Vec::new()),
                Kind::Text => Column::Text(Vec::new()),
                Kind::Bytes => Column::Bytes(Vec::new()),
            })
            .collect();
        Self { columns, n: 0, rows: 0 }
    }

    /// The rows from here on are the `n`th's.
    pub(crate) fn rows_of(&mut self, n: i64) {
        self.n = n;
    }

    /// Binds the arrays in the order of the shape.
    pub(crate) fn bind(self, mut query: Statement<'_>) -> Statement<'_> {
        for column in self.columns {
            query = match column {
                Column::Int(values) => query.bind(values),
                Column::Text(values) => query.bind(values),
                Column::Bytes(values) => query.bind(values),
            };
        }
        query
    }
}

impl Sheet for ColumnSheet {
    type Line<'a> = ColumnLine<'a>;

    fn row(&mut self) -> ColumnLine<'_> {
        self.rows = self.rows.saturating_add(1);
        let n = self.n;
        ColumnLine { columns: self.columns.iter_mut() }.int(n)
    }

    fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

/// The fields of one row.
#[derive(Debug)]
pub(crate) struct ColumnLine<'a> {
    columns: std::slice::IterMut<'a, Column>,
}

impl Line for ColumnLine<'_> {
    fn int(self, value: impl Into<i64>) -> Self {
        self.opt_int(Some(value.into()))
    }

    fn opt_int(mut self, value: Option<i64>) -> Self {
        match self.columns.next() {
            Some(Column::Int(values)) => values.push(value),
            column => debug_assert!(false, "a number for {column:?}"),
        }
        self
    }

    fn text(self, value: &str) -> Self {
        self.opt_text(Some(value))
    }

    fn opt_text(mut self, value: Option<&str>) -> Self {
        match self.columns.next() {
            Some(Column::Text(values)) => values.push(value.map(|text| stored(text).into_owned())),
            column => debug_assert!(false, "a text for {column:?}"),
        }
        self
    }

    fn bytes(mut self, value: &[u8]) -> Self {
        match self.columns.next() {
            Some(Column::Bytes(values)) => values.push(value.to_vec()),
            column => debug_assert!(false, "bytes for {column:?}"),
        }
        self
    }
}

impl Drop for ColumnLine<'_> {
    fn drop(&mut self) {
        debug_assert!(self.columns.len() == 0, "a row with {} fields too few", self.columns.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHAPE: Shape = Shape { name: "things", columns: &[("n", Kind::Int), ("a", Kind::Text), ("b", Kind::Bytes)] };

    #[test]
    fn a_shape_numbers_its_parameters() {
        let expected = "things as (select * from unnest($4::bigint[], $5::text[], $6::bytea[]) with ordinality \
                        as r(n, a, b, place))";
        assert_eq!(SHAPE.input(4), expected);
    }

    #[test]
    fn rows_fill_the_columns_with_whose_they_are() {
        let mut sheet = ColumnSheet::new(&SHAPE);
        assert!(sheet.is_empty());
        drop(sheet.row().text("x").bytes(b"y"));
        sheet.rows_of(7);
        drop(sheet.row().opt_text(None).bytes(b""));
        assert!(!sheet.is_empty());
        assert!(matches!(&sheet.columns[0], Column::Int(n) if *n == [Some(0), Some(7)]));
        assert!(matches!(&sheet.columns[1], Column::Text(a) if *a == [Some("x".to_owned()), None]));
    }
}
