//! One guest: QEMU, from its start to its end.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use bpfasm_guest::{INIT, Line, Record};

use super::initramfs::on_path;
use crate::chore::{command, line};
use crate::error::Error;
use crate::kernels::Ready;

const QEMU: &str = "qemu-system-x86_64";
/// In MiB.
const MEMORY: &str = "512";
/// After this a guest hangs.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// How much of what a kernel has printed is shown when its guest breaks, in lines.
const TAIL: usize = 30;

/// A guest to be booted.
#[derive(Debug)]
pub struct Guest<'a> {
    /// Its kernel.
    pub kernel: &'a Ready,
    /// Its file system.
    pub initramfs: PathBuf,
    /// Where what its kernel and its suite print goes.
    pub console: PathBuf,
}

impl Guest<'_> {
    /// Boots it, and runs the suite with these arguments. What the suite says is given to `heard` as it comes.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`]: the suite did not come to its end, or the guest did not. Failed cases are no error.
    pub fn run(&self, arguments: &[String], mut heard: impl FnMut(&Line)) -> Result<Record, Error> {
        let mut qemu = self.command(arguments)?;
        let words = line(&qemu);
        let mut child = qemu.spawn().map_err(|source| Error::Start { command: words.clone(), source })?;
        let heard_all = self.listen(&mut child, &mut heard);
        if heard_all.is_err() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|source| Error::Start { command: words, source })?;
        let record = heard_all?;
        match record.check_guest() {
            Ok(_) if status.success() => Ok(record),
            Ok(totals) => Err(self.broken(&format!("QEMU: {status}, after {totals}"))),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }

    /// Takes all lines of the second serial port.
    fn listen(&self, child: &mut Child, heard: &mut impl FnMut(&Line)) -> Result<Record, Error> {
        let deadline = Instant::now() + LIMIT;
        let (sender, receiver) = mpsc::channel();
        let port = child.stdout.take().map(BufReader::new);
        thread::spawn(move || {
            let lines = port.into_iter().flat_map(|port| port.split(b'\n')).map_while(Result::ok);
            lines.map(|line| sender.send(String::from_utf8_lossy(&line).into_owned())).all(|sent| sent.is_ok())
        });
        let mut record = Record::default();
        loop {
            let text = match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(text) => text,
                Err(RecvTimeoutError::Disconnected) => return Ok(record),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.broken(&format!("not done after {LIMIT:?}: {}", record.totals())));
                }
            };
            let line: Line = text.parse().map_err(|error| self.broken(&format!("{error}")))?;
            heard(&line);
            record.take(line).map_err(|error| self.broken(&error.to_string()))?;
        }
    }

    fn command(&self, arguments: &[String]) -> Result<Command, Error> {
        let file = |path: &Path| path.display().to_string();
        let suite = arguments.iter().fold(INIT.to_owned(), |line, word| line + " " + word);
        let mut qemu = command(on_path(QEMU).ok_or(Error::NoQemu)?);
        qemu.args(["-accel", "tcg", "-machine", "q35", "-cpu", self.kernel.kernel.processor(), "-smp", "1"])
            .args(["-m", MEMORY, "-nodefaults", "-no-reboot", "-display", "none"])
            .args(["-kernel", &file(&self.kernel.image), "-initrd", &file(&self.initramfs)])
            .args(["-append", &format!("console=ttyS0 panic=-1 quiet -- {suite}")])
            .args(["-serial", &format!("file:{}", file(&self.console)), "-serial", "stdio"])
            .stdout(Stdio::piped());
        Ok(qemu)
    }

    /// What went wrong, with the last words of the console.
    fn broken(&self, what: &str) -> Error {
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        Error::Guest { tag: self.kernel.kernel.tag(), what: what.to_owned(), console: self.console.clone(), tail }
    }
}
