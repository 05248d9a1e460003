//! Keeps the secrets that a handler was granted out of what it leaves in logs and records.

use std::borrow::Cow;
use std::collections::BTreeMap;

use service::config::SecretText;

/// Lines of a secret that are as long as this are masked by themselves, as a key in PEM is often logged by lines.
const LINE: usize = 16;

/// The texts that must not be seen, each with what stands in its place.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    /// Longer ones first: one secret may be a part of another.
    words: Vec<(String, String)>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Mask({} texts)", self.words.len())
    }
}

impl Mask {
    /// Masks each secret, and each long line of one that has several.
    pub(crate) fn of(secrets: &BTreeMap<String, SecretText>) -> Self {
        let mut words = Vec::new();
        for (name, secret) in secrets {
            let (text, instead) = (secret.expose(), format!("[secret {name}]"));
            if text.lines().nth(1).is_some() {
                let lines = text.lines().map(str::trim).filter(|line| line.len() >= LINE);
                words.extend(lines.map(|line| (line.to_owned(), instead.clone())));
            }
            words.push((text.to_owned(), instead));
        }
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        Self { words }
    }

    /// The text without the secrets.
    pub(crate) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for (word, instead) in &self.words {
            if masked.contains(word.as_str()) {
                masked = Cow::Owned(masked.replace(word.as_str(), instead));
            }
        }
        masked
    }

    /// The same for a text whose beginning was cut off, perhaps inside a secret: what may be left of one goes, too.
    pub(crate) fn apply_to_tail(&self, text: &str) -> String {
        let masked = self.apply(text);
        let longest = self.words.first().map_or(0, |(word, _)| word.len().saturating_sub(1));
        let start = (longest..masked.len()).find(|start| masked.is_char_boundary(*start)).unwrap_or(masked.len());
        masked.get(start..).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[(&str, &str)]) -> Mask {
        Mask::of(&secrets.iter().map(|(name, text)| ((*name).to_owned(), SecretText::from(*text))).collect())
    }

    #[test]
    fn each_secret_is_replaced_by_its_name_the_longer_one_first() {
        let mask = mask(&[("SHORT", "hunter"), ("LONG", "hunter22-hunter")]);
        assert_eq!(mask.apply("a hunter22-hunter b hunter"), "a [secret LONG] b [secret SHORT]");
        assert_eq!(mask.apply("nothing"), "nothing");
        assert_eq!(format!("{mask:?}"), "Mask(2 texts)");
    }

    #[test]
    fn a_line_of_a_secret_with_many_is_masked_alone_and_a_short_one_is_not() {
        let mask = mask(&[("PEM", "-----BEGIN KEY-----\nc29tZSBzZWNyZXQgYnl0ZXM\nab\n")]);
        assert_eq!(mask.apply("key c29tZSBzZWNyZXQgYnl0ZXM! ab"), "key [secret PEM]! ab");
    }

    #[test]
    fn what_a_cut_may_have_left_of_a_secret_goes() {
        let mask = mask(&[("TOKEN", "hunter22")]);
        assert_eq!(mask.apply_to_tail("nter22 and the rest"), " and the rest".get(1..).unwrap());
        assert_eq!(mask.apply_to_tail("xx hunter22 and the rest"), "ret TOKEN] and the rest");
        assert_eq!(mask.apply_to_tail("é"), "");
        assert_eq!(Mask::default().apply_to_tail("all of it"), "all of it");
    }
}
