//! Little space: a small disk in memory, or where nobody may mount one, a limit on the size of files, as a quota sets it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A disk in memory, unmounted when it is dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// `None`: this user may not mount here.
    pub fn mount(folder: &Path, kilobytes: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={kilobytes}k,mode=755"), "leadsync-test"], folder);
        assert!(mounted || std::env::var_os("CI").is_none(), "no disk can be mounted at {}", folder.display());
        mounted.then(|| Self(folder.to_owned()))
    }

    pub fn resize(&self, kilobytes: u32) {
        assert!(mount(&["-o", &format!("remount,size={kilobytes}k")], &self.0));
    }

    pub fn set_read_only(&self, is_read_only: bool) {
        assert!(mount(&["-o", if is_read_only { "remount,ro" } else { "remount,rw" }], &self.0));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(options: &[&str], folder: &Path) -> bool {
    let mounted = Command::new("mount").args(options).arg(folder).output();
    mounted.is_ok_and(|mounted| mounted.status.success())
}

/// What keeps the store small.
pub enum Space {
    Disk(Disk),
    /// No file of the program may become larger than so many bytes.
    Limit(u64),
}

impl Space {
    /// Every kind that there is on this machine, each for a store in a folder of its own.
    pub fn kinds(folder: &Path, kilobytes: u32) -> Vec<(Self, PathBuf)> {
        let (disk, limited) = (folder.join("disk"), folder.join("limited"));
        std::fs::create_dir_all(&limited).unwrap();
        let mut kinds = vec![(Self::Limit(u64::from(kilobytes) * 1_024), limited)];
        match Disk::mount(&disk, kilobytes) {
            Some(mounted) => kinds.push((Self::Disk(mounted), disk)),
            None => eprintln!("no disk can be mounted here: a full disk is shown by a limit on the size of files alone"),
        }
        kinds
    }

    /// The command, with no more than this space.
    pub fn limit(&self, command: &Command) -> Command {
        let Self::Limit(bytes) = self else { return repeat(command.get_program(), command) };
        let mut limited = Command::new("prlimit");
        // Without this, a file that would become too large would end the program by a signal.
        limited.arg(format!("--fsize={bytes}:unlimited")).args(["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
        limited.arg(command.get_program()).args(command.get_args());
        limited
    }

    /// There is space again, also for a program that runs.
    pub fn enlarge(&self, running: Option<&Child>) {
        match (self, running) {
            (Self::Disk(disk), _) => disk.resize(64 * 1_024),
            (Self::Limit(_), Some(child)) => {
                let raised = Command::new("prlimit").args(["--pid", &child.id().to_string(), "--fsize=unlimited"]).status();
                assert!(raised.unwrap().success());
            }
            (Self::Limit(_), None) => {}
        }
    }
}

fn repeat(program: &std::ffi::OsStr, command: &Command) -> Command {
    let mut repeated = Command::new(program);
    repeated.args(command.get_args());
    repeated
}
