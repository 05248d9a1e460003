//! The adapter comes in a crate, so that cargo pins, checks and caches it: this writes it to stdout.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
}
