//! `plugin`: the file of a handler.

use std::path::{Path, PathBuf};

use crate::config::node::Node;
use crate::config::problem::Refused;
use crate::config::value;

pub(super) fn decode(node: &Node, file: &Path) -> Result<PathBuf, Refused> {
    let text = value::filled(node)?;
    if text.contains("@sha256:") {
        return Err(Refused::new("is pinned to a digest, which is not supported yet", "remove `@sha256:…`"));
    }
    let is_file = text.contains('/') || Path::new(&text).extension().is_some_and(|extension| extension == "wasm");
    if !is_file {
        return Err(Refused::new(
            format!("is the registry name `{text}`, and registries are not supported yet"),
            format!("name a file, such as `./{text}.wasm`"),
        ));
    }
    value::path(node, file)
}
