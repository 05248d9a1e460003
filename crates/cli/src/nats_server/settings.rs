//! The configuration of the supervised nats-server.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use service::config::Config;

/// Ports below the range from which the kernel takes those of outgoing connections: a client that tries to reach the
/// server while it is away must not be given the server's own port.
const PORTS: Range<u16> = 15_000..32_000;

const USER: &str = "roomwire";

/// A message takes at least this much.
const LEAST_PAYLOAD: usize = 16 << 20;

/// `JetStream` sets aside the `max_bytes` of every stream; so much stays for streams of the user's own.
const OTHER_STREAMS: u64 = 256 << 30;

/// What the server is told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) folder: PathBuf,
    pub(super) max_payload: usize,
    pub(super) max_file_store: u64,
    pub(super) password: String,
}

impl Settings {
    /// For the data folder of an `up`. The password is new each time: whoever reads the folder can read it there.
    pub(crate) fn new(data: &Path, config: &Config) -> io::Result<Self> {
        let streams = config.streams.max_bytes;
        Ok(Self {
            folder: std::path::absolute(data)?.join("nats"),
            max_payload: config.receiver.max_body.saturating_add(event::header::ROOM).max(LEAST_PAYLOAD),
            max_file_store: streams.saturating_add(streams / 8).saturating_add(OTHER_STREAMS),
            password: random_hex()?,
        })
    }

    /// How clients reach the server.
    pub(super) fn url(&self, port: u16) -> String {
        format!("nats://{USER}:{}@127.0.0.1:{port}", self.password)
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.folder.join("nats.conf")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.folder.join("nats.pid")
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.folder.join("nats.log")
    }

    pub(super) fn words_file(&self) -> PathBuf {
        self.folder.join("nats.stderr")
    }

    pub(super) fn port_file(&self) -> PathBuf {
        self.folder.join("port")
    }

    /// Writes the configuration, which only the owner may read.
    pub(super) fn write(&self, port: u16) -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.config_file())?;
        file.write_all(self.text(port).as_bytes())
    }

    fn text(&self, port: u16) -> String {
        let Self { max_payload, max_file_store, password, .. } = self;
        format!(
            "# Written by `roomwire up` at each start.\n\
             server_name: roomwire-up\n\
             listen: 127.0.0.1:{port}\n\
             pid_file: {pid}\n\
             log_file: {log}\n\
             logfile_size_limit: 16MB\n\
             max_payload: {max_payload}\n\
             authorization {{ user: {USER}, password: \"{password}\" }}\n\
             jetstream {{\n  store_dir: {store}\n  max_file_store: {max_file_store}\n  # Acknowledged is written to disk.\n  \
             sync_interval: always\n}}\n",
            pid = quoted(&self.pid_file()),
            log = quoted(&self.log_file()),
            store = quoted(&self.folder.join("jetstream")),
        )
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

/// A port that is free now: that of the last run if possible, so that other programs find the server again.
pub(super) fn free_port(preferred: Option<u16>) -> Option<u16> {
    let mut random = RandomState::new().build_hasher();
    let drawn = (0..200_u32).map(|turn| {
        random.write_u32(turn);
        let span = u64::from(PORTS.end - PORTS.start);
        PORTS.start + u16::try_from(random.finish() % span).unwrap_or_default()
    });
    preferred.into_iter().chain(drawn).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let settings = Settings::new(Path::new("/data"), &Config::default()).unwrap();
        Settings { password: "hush".to_owned(), ..settings }
    }

    #[test]
    fn the_server_listens_on_loopback_only_and_writes_through() {
        let text = settings().text(15_123);
        for line in [
            "listen: 127.0.0.1:15123",
            "pid_file: \"/data/nats/nats.pid\"",
            "authorization { user: roomwire, password: \"hush\" }",
            "  store_dir: \"/data/nats/jetstream\"",
            "  sync_interval: always",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_larger_body_makes_larger_messages() {
        let mut config = Config::default();
        config.receiver.max_body = 40 << 20;
        assert_eq!(Settings::new(Path::new("/data"), &config).unwrap().max_payload, (40 << 20) + event::header::ROOM);
    }

    #[test]
    fn each_run_has_another_password() {
        let make = || Settings::new(Path::new("/data"), &Config::default()).unwrap().password;
        assert_ne!(make(), make());
        assert_eq!(make().len(), 32);
    }

    #[test]
    fn a_taken_port_is_not_chosen_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap().port();
        let other = free_port(Some(taken)).unwrap();
        assert!(other != taken && PORTS.contains(&other), "{other}");
    }
}
