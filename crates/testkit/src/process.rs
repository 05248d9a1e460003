//! A built binary as a process of its own, with its output kept, which can be killed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::{release_binary, wait_for};

/// A running process. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
    log: NamedTempFile,
}

impl Process {
    /// Starts a binary of this workspace.
    ///
    /// # Errors
    /// When it is not built or cannot be started.
    pub fn start<S: AsRef<OsStr>>(binary: &str, args: impl IntoIterator<Item = S>) -> Result<Self> {
        Self::start_in(binary, args, &crate::workspace(), &[])
    }

    /// Starts a binary of this workspace in a folder, with further environment variables.
    ///
    /// # Errors
    /// When it is not built or cannot be started.
    pub fn start_in<S: AsRef<OsStr>>(
        binary: &str,
        args: impl IntoIterator<Item = S>,
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let mut command = Command::new(release_binary(binary)?);
        command.args(args).current_dir(folder).envs(environment.iter().copied());
        Self::spawn(binary, command)
    }

    /// Starts any command; its output goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(name: &str, mut command: Command) -> Result<Self> {
        let log = tempfile::Builder::new().prefix(&format!("rw-{name}-")).suffix(".log").tempfile();
        let log = log.context("cannot make a log file")?;
        let output = || File::options().append(true).open(log.path()).context("cannot open the log file");
        command.stdin(Stdio::null()).stdout(output()?).stderr(output()?);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), pid: child.id(), child: Mutex::new(child), log })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has written so far, to stdout and stderr.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log.path()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        self.child().try_wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Ends it as a crash would: SIGKILL.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill9(&self) -> Result<()> {
        let mut child = self.child();
        child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        Ok(())
    }

    /// Asks it to stop, as Ctrl-C does.
    ///
    /// # Errors
    /// When it has ended already or cannot be signalled.
    pub fn sigint(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Asks it to stop, as an orchestrator does.
    ///
    /// # Errors
    /// When it has ended already or cannot be signalled.
    pub fn sigterm(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Asks it to read its configuration again, as operators do.
    ///
    /// # Errors
    /// When it has ended already or cannot be signalled.
    pub fn sighup(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Sends any signal, e.g. STOP and CONT.
    ///
    /// # Errors
    /// When it has ended already or cannot be signalled.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // Under the lock and after a look at it: a process that was waited for may have given its id to another.
        let mut child = self.child();
        if let Some(status) = child.try_wait().context("cannot look at the process")? {
            bail!("{} has ended already ({status}): {}", self.name, self.log());
        }
        let pid = child.id().try_into().ok().and_then(Pid::from_raw).context("not a process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it does not end in time; the text has its output.
    pub async fn wait_exit(&self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        wait_for(deadline, &what, || async { self.ended().transpose() }).await.with_context(|| self.log())?
    }

    /// Waits until its output has this text.
    ///
    /// # Errors
    /// When it ends first or does not write it in time; the text has its output.
    pub async fn wait_log(&self, text: &str, deadline: Duration) -> Result<()> {
        let what = format!("{} to write {text:?}", self.name);
        let found = wait_for(deadline, &what, || async {
            // Looked at before the output: what is written last counts.
            let ended = self.ended().ok().flatten();
            if self.log().contains(text) {
                return Some(Ok(()));
            }
            ended.map(|status| Err(anyhow::anyhow!("{} ended ({status}) and had not written {text:?}", self.name)))
        });
        found.await.and_then(|found| found).with_context(|| self.log())
    }

    /// Waits until a file is there (a ready file is renamed into place) and returns its text.
    ///
    /// # Errors
    /// When the process ends first or the file does not come in time; the text has its output.
    pub async fn wait_file(&self, path: &Path, deadline: Duration) -> Result<String> {
        let what = format!("{} to write {}", self.name, path.display());
        let found = wait_for(deadline, &what, || async {
            let ended = self.ended().ok().flatten();
            if let Ok(text) = fs::read_to_string(path) {
                return Some(Ok(text));
            }
            ended.map(|status| Err(anyhow::anyhow!("{} ended ({status})", self.name)))
        });
        found.await.and_then(|found| found).with_context(|| self.log())
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.kill9();
    }
}
