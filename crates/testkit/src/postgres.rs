//! A real PostgreSQL server with a data folder of its own, which can be killed and started again.
//!
//! It ends with the process that started it, however that ends: a shell beside it waits for the end of a pipe that this
//! process holds. It listens on a socket in its folder, and refuses to run as root, so root hands it to another user.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::TryStreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::nats_server::free_port;
use crate::{postgres_folder, wait_for};

const START: Duration = Duration::from_mins(1);

/// The superuser of the database; nobody is asked for a password.
const USER: &str = "roomwire";

/// Starts the server, and ends it and removes its folder when there is nothing more to read.
const GUARD: &str = r#"folder=$1; shift
"$@" >>"$folder/server.log" 2>&1 & server=$!
echo $server >"$folder/server.pid"
cat >/dev/null
kill -QUIT $server 2>/dev/null; wait $server
rm -rf "$folder""#;

static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();

/// A running (or killed) server.
#[derive(Debug)]
pub struct PostgresServer {
    /// Its guard removes it; the handle only keeps the name.
    folder: PathBuf,
    binaries: PathBuf,
    port: u16,
    /// The shell beside the server.
    guard: Mutex<Option<Child>>,
    databases: AtomicU32,
    /// What it has committed outlives a power cut.
    durable: bool,
}

impl PostgresServer {
    /// The one that all tests of this process share.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or it does not start; the text has its last lines.
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts one.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or it does not start; the text has its last lines.
    pub async fn start() -> Result<Self> {
        Self::start_as(false).await
    }

    /// Starts one that waits for the disk at each commit, as it is installed: for benchmarks, since nobody pulls the plug.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or it does not start; the text has its last lines.
    pub async fn start_durable() -> Result<Self> {
        Self::start_as(true).await
    }

    async fn start_as(durable: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("rw-pg-").tempdir().context("cannot make a folder")?;
        let binaries = postgres_folder()?;
        hand_over(folder.path())?;
        let data = folder.path().join("data");
        let mut command = command(&binaries.join("initdb"));
        command.args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        let made = command.arg("-D").arg(&data).output().context("cannot run initdb")?;
        if !made.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&made.stderr));
        }
        let server = Self {
            folder: TempDir::keep(folder),
            binaries,
            port: free_port()?,
            guard: Mutex::new(None),
            databases: AtomicU32::new(0),
            durable,
        };
        server.restart().await?;
        Ok(server)
    }

    /// A new empty database, as `state.url` names it.
    ///
    /// # Errors
    /// When the server does not make it.
    pub async fn database(&self) -> Result<String> {
        let name = self.make_database().await?;
        Ok(format!("postgres://{USER}@localhost:{}/{name}?host={}", self.port, self.folder.display()))
    }

    /// A new database with what is in another one, to which nobody may be connected.
    ///
    /// # Errors
    /// When the server does not make it.
    pub async fn copy(&self, url: &str) -> Result<String> {
        let (address, _) = url.split_once('?').unwrap_or((url, ""));
        let name = self.make_database_of(address.rsplit('/').next().unwrap_or_default()).await?;
        Ok(format!("postgres://{USER}@localhost:{}/{name}?host={}", self.port, self.folder.display()))
    }

    /// A new empty database, as it is reached over TCP at an address such as that of a proxy in front of [`Self::port`].
    ///
    /// # Errors
    /// When the server does not make it.
    pub async fn database_at(&self, address: SocketAddr) -> Result<String> {
        Ok(format!("postgres://{USER}@{address}/{}", self.make_database().await?))
    }

    /// A database of this server as it is reached by its socket, whatever the proxy that `url` names does.
    #[must_use]
    pub fn directly(&self, url: &str) -> String {
        let name = url.rsplit('/').next().unwrap_or_default();
        format!("postgres://{USER}@localhost:{}/{name}?host={}", self.port, self.folder.display())
    }

    /// The rows of a query, one JSON object each, in a database that `database_at` has made.
    ///
    /// # Errors
    /// When the server does not answer it.
    pub async fn each_row(&self, url: &str, query: &str, mut visit: impl FnMut(Value) + Send) -> Result<()> {
        let mut conn = self.connect(url.rsplit('/').next().unwrap_or_default()).await?;
        let query = AssertSqlSafe(format!("select to_jsonb(q)::text from ({query}) as q"));
        let mut rows = sqlx::query_scalar::<_, String>(query).fetch(&mut conn);
        while let Some(row) = rows.try_next().await.context("PostgreSQL does not answer")? {
            visit(serde_json::from_str(&row).context("not JSON")?);
        }
        Ok(())
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn make_database(&self) -> Result<String> {
        self.make_database_of("template1").await
    }

    async fn make_database_of(&self, template: &str) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut conn = self.connect("postgres").await?;
        conn.execute(AssertSqlSafe(format!("create database {name} template {template}")))
            .await
            .context("cannot make a database")?;
        Ok(name)
    }

    /// Ends it as a power cut would: SIGKILL to all of its processes.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub async fn kill(&self) -> Result<()> {
        let guard = self.guard().take();
        let Some(mut guard) = guard else { return Ok(()) };
        let server = self.pid()?;
        // The guard first: it would remove the folder.
        guard.kill().context("cannot kill the guard of PostgreSQL")?;
        guard.wait().context("cannot wait for the guard of PostgreSQL")?;
        kill_process(server, Signal::KILL).context("cannot kill PostgreSQL")?;
        // Its children see that it is gone, and end; a new server waits for that by itself.
        let gone = || async { rustix::process::test_kill_process(server).is_err().then_some(()) };
        wait_for(START, "PostgreSQL to be gone", gone).await
    }

    /// Starts it again on the same data, and waits until it serves. One that still runs is killed first.
    ///
    /// # Errors
    /// When it does not start; the text has its last lines.
    pub async fn restart(&self) -> Result<()> {
        self.kill().await?;
        // A server that is told of another one's lock file looks whether that lives; its children may, for a moment.
        let started = wait_for(START, "PostgreSQL to serve", || async {
            if self.guard().is_none() {
                match self.spawn() {
                    Ok(guard) => *self.guard() = Some(guard),
                    Err(error) => return Some(Err(error)),
                }
            }
            if self.connect("postgres").await.is_ok() {
                return Some(Ok(()));
            }
            let ended = self.pid().is_ok_and(|pid| rustix::process::test_kill_process(pid).is_err());
            if ended && let Some(mut guard) = self.guard().take() {
                // It waits for its pipe; the folder is still wanted.
                drop(guard.kill());
                drop(guard.wait());
            }
            None
        });
        started.await.with_context(|| self.log())?
    }

    /// Stops it from accepting work, with its connections left open: SIGSTOP to the server and its children.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it run again after `pause`.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// What it has written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    fn spawn(&self) -> Result<Child> {
        // Written by the guard of this start.
        drop(fs::remove_file(self.folder.join("server.pid")));
        let mut command = command(Path::new("sh"));
        command.args(["-c", GUARD, "sh"]).arg(&self.folder).arg(self.binaries.join("postgres"));
        command.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        command.arg("-p").arg(self.port.to_string());
        for setting in ["listen_addresses=127.0.0.1", "max_connections=300"] {
            command.args(["-c", setting]);
        }
        if !self.durable {
            // Nobody pulls the plug, so nothing waits for the disk.
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).spawn().context("cannot start PostgreSQL")
    }

    async fn connect(&self, database: &str) -> Result<PgConnection> {
        let folder = self.folder.display().to_string();
        let options =
            PgConnectOptions::new_without_pgpass().host(&folder).port(self.port).username(USER).database(database);
        options.disable_statement_logging().connect().await.context("cannot connect to PostgreSQL")
    }

    /// The server and its children share the guard's process group.
    fn signal(&self, signal: Signal) -> Result<()> {
        let server = self.pid()?;
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.as_raw_nonzero()))?;
        let children = children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        for pid in children.chain([server]) {
            // A child may have ended by now.
            let _ = kill_process(pid, signal);
        }
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        let text = fs::read_to_string(self.folder.join("server.pid")).context("PostgreSQL was not started")?;
        text.trim().parse().ok().and_then(Pid::from_raw).context("PostgreSQL has no process id")
    }

    fn guard(&self) -> MutexGuard<'_, Option<Child>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let guard = self.guard().take();
        match guard {
            Some(mut guard) => {
                // The end of its pipe ends the server.
                if let Some(mut pipe) = guard.stdin.take() {
                    drop(pipe.flush());
                }
                drop(guard.wait());
            }
            // It was killed, and its guard too.
            None => drop(fs::remove_dir_all(&self.folder)),
        }
    }
}

/// The command, as a user who may run it.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("PGDATA").current_dir("/");
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command
}

fn hand_over(folder: &Path) -> Result<()> {
    if let Some((uid, gid)) = other_user() {
        chown(folder, Some(uid), Some(gid)).context("cannot hand the folder of PostgreSQL over")?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).context("cannot open the folder")?;
    }
    Ok(())
}

/// For root: `postgres`, else `nobody`.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let mut fields = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).or(Some((65_534, 65_534)))
}
