//! What the YAML says of the endpoint.

/// Where events go, and with which headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The endpoint.
    pub url: String,
    /// Headers beside those of the host.
    pub headers: Vec<(String, String)>,
}

/// The config cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// There is no URL.
    NoUrl,
    /// The URL has no scheme that can be sent to.
    Scheme(String),
    /// A header has no name.
    NoName(String),
}

impl std::fmt::Display for SettingsError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoUrl => out.write_str(
                "set `config.url`, e.g. `https://app.example.com/livekit`, and allow its host under `allow.http`",
            ),
            Self::Scheme(url) => write!(out, "`config.url` is `{url}`; write an URL with http:// or https://"),
            Self::NoName(key) => write!(out, "`config.{key}` names no header; write `header.x-source: roomwire`"),
        }
    }
}

impl std::error::Error for SettingsError {}

/// A key of this form is a header.
const HEADER: &str = "header.";

impl Settings {
    /// Reads the handler's `config`.
    ///
    /// # Errors
    /// If there is no URL, or a header without a name.
    pub fn read(config: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        let (mut url, mut headers) = (None, Vec::new());
        for (key, value) in config {
            if key == "url" {
                url = Some(value);
            } else if let Some(name) = key.strip_prefix(HEADER) {
                if name.is_empty() {
                    return Err(SettingsError::NoName(key));
                }
                headers.push((name.to_owned(), value));
            }
        }
        let url = url.ok_or(SettingsError::NoUrl)?;
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(SettingsError::Scheme(url));
        }
        Ok(Self { url, headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_url_and_the_headers_are_read_and_other_keys_are_left_alone() {
        let settings = read(&[("header.x-source", "roomwire"), ("note", "n"), ("url", "https://app.example.com/hook")]);
        let headers = vec![("x-source".to_owned(), "roomwire".to_owned())];
        assert_eq!(settings, Ok(Settings { url: "https://app.example.com/hook".to_owned(), headers }));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for (config, words) in [
            (&[][..], "set `config.url`"),
            (&[("url", "app.example.com")], "write an URL with http:// or https://"),
            (&[("url", "https://a"), ("header.", "x")], "`config.header.` names no header"),
        ] {
            let error = read(config).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
