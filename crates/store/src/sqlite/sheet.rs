//! Many rows as the parameters of one statement: a JSON array, and one blob that holds the bodies.

use sqlx::SqliteConnection;

use super::Bind as _;
use crate::{scope::Scope, sheet::Line};

/// A part is closed when it has grown this large, so that no parameter meets SQLite's limit of a billion bytes.
const PART: usize = 64 * 1024 * 1024;

/// Rows for `jsonb_each(?1)`; bodies are cut out of `?2` by offset and length, because JSON has no bytes.
///
/// Statements over wide rows begin with `with rows (v) as materialized (select value from jsonb_each(?1))`: without it
/// SQLite makes the text of a row anew for each of its columns, which costs more than all the rest.
#[derive(Debug, Default)]
pub(crate) struct JsonSheet {
    closed: Vec<Part>,
    open: Part,
    rows: u64,
}

#[derive(Debug, Default)]
struct Part {
    json: String,
    blob: Vec<u8>,
}

impl crate::sheet::Sheet for JsonSheet {
    type Line<'a> = Fields<'a>;

    fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn row(&mut self) -> Fields<'_> {
        self.rows = self.rows.saturating_add(1);
        if self.open.json.len() > PART || self.open.blob.len() > PART {
            self.closed.push(std::mem::take(&mut self.open));
        }
        if self.open.json.is_empty() {
            self.open.json.push('[');
            // SQLite takes an empty blob for null, and an empty body must stay a body.
            self.open.blob.push(0);
        } else {
            self.open.json.push(',');
        }
        self.open.json.push('[');
        Fields { part: &mut self.open, first: true }
    }
}

impl JsonSheet {
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Runs the statement over all rows and says how many it changed. Its parameters: `?1` rows, `?2` bodies, and
    /// those of the scope: `?3` handler, `?4` run, `?5` shard, `?6` now.
    pub(crate) async fn run(
        self,
        conn: &mut SqliteConnection,
        scope: &Scope,
        sql: &'static str,
    ) -> Result<u64, sqlx::Error> {
        if self.rows == 0 {
            return Ok(0);
        }
        let mut changed = 0_u64;
        for part in self.closed.into_iter().chain([self.open]) {
            let done = scope.bind(sqlx::query(sql).bind(part.json + "]").bind(part.blob)).execute(&mut *conn).await?;
            changed = changed.saturating_add(done.rows_affected());
        }
        Ok(changed)
    }

    /// Runs statements over all rows, one after the other, with the parameters of [`JsonSheet::run`].
    pub(crate) async fn run_each(
        self,
        conn: &mut SqliteConnection,
        scope: &Scope,
        statements: &[&'static str],
    ) -> Result<(), sqlx::Error> {
        if self.rows == 0 {
            return Ok(());
        }
        for part in self.closed.into_iter().chain([self.open]) {
            let json = part.json + "]";
            for &sql in statements {
                scope.bind(sqlx::query(sql).bind(json.clone()).bind(part.blob.clone())).execute(&mut *conn).await?;
            }
        }
        Ok(())
    }

    /// The rows as one JSON text, none where there are no rows; the sheet itself where that has several parts.
    pub(crate) fn into_one(self) -> Result<Option<String>, Self> {
        if self.closed.is_empty() { Ok(self.into_json().next()) } else { Err(self) }
    }

    /// The rows as JSON texts, mostly one, for statements that only read.
    pub(crate) fn into_json(self) -> impl Iterator<Item = String> {
        let parts = self.closed.into_iter().chain([self.open]);
        parts.filter(|part| !part.json.is_empty()).map(|part| part.json + "]")
    }
}

/// The fields of one row.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    part: &'a mut Part,
    first: bool,
}

impl Fields<'_> {
    fn separate(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.part.json.push(',');
        }
    }
}

impl Fields<'_> {
    /// A column that is JSON itself.
    pub(crate) fn json(mut self, value: &str) -> Self {
        self.separate();
        self.part.json.push_str(value);
        self
    }
}

impl Line for Fields<'_> {
    fn int(mut self, value: impl Into<i64>) -> Self {
        self.separate();
        push_int(&mut self.part.json, value.into());
        self
    }

    fn opt_int(mut self, value: Option<i64>) -> Self {
        if let Some(value) = value {
            return self.int(value);
        }
        self.separate();
        self.part.json.push_str("null");
        self
    }

    fn text(mut self, value: &str) -> Self {
        self.separate();
        push_text(&mut self.part.json, value);
        self
    }

    fn opt_text(self, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(value),
            None => self.opt_int(None),
        }
    }

    /// Two columns: where the bytes begin in the blob, and how many they are.
    fn bytes(self, value: &[u8]) -> Self {
        let offset = i64::try_from(self.part.blob.len()).unwrap_or(i64::MAX).saturating_add(1);
        self.part.blob.extend_from_slice(value);
        self.int(offset).int(i64::try_from(value.len()).unwrap_or(i64::MAX))
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        self.part.json.push(']');
    }
}

fn push_int(json: &mut String, value: i64) {
    use std::fmt::Write;
    // Writing to a string cannot fail.
    let _ = write!(json, "{value}");
}

fn push_text(json: &mut String, text: &str) {
    use std::fmt::Write;
    json.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        json.push_str(text.get(plain..at).unwrap_or_default());
        let _ = write!(json, "\\u{byte:04x}");
        plain = at.saturating_add(1);
    }
    json.push_str(text.get(plain..).unwrap_or_default());
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::{JsonSheet, push_text};
    use crate::sheet::{Line, Sheet};

    #[test]
    fn text_is_escaped_as_json() {
        for text in ["", "plain", "a\"b\\c", "line\nend\u{0}", "ümläut 🦀", "\"", "\u{1f}x"] {
            let mut json = String::new();
            push_text(&mut json, text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn rows_are_arrays_in_order() {
        let mut sheet = JsonSheet::default();
        drop(sheet.row().int(1).text("a").opt_text(None).bytes(b"xyz"));
        drop(sheet.row().int(-2).text("b").opt_text(Some("c")).bytes(b""));
        assert_eq!(sheet.rows(), 2);
        assert_eq!(sheet.into_json().collect::<Vec<_>>(), [r#"[[1,"a",null,2,3],[-2,"b","c",5,0]]"#]);
        assert_eq!(JsonSheet::default().into_json().count(), 0);
    }
}
