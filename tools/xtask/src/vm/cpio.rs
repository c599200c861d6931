//! Archives in cpio's newc format, which the kernel unpacks as its first file system (Linux,
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).

use crate::error::Error;

const MAGIC: &str = "070701";
/// The name of the last entry.
const TRAILER: &str = "TRAILER!!!";
/// What names and contents are filled up to, in bytes.
const ALIGN: usize = 4;

/// Kinds of files, `include/uapi/linux/stat.h`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    /// The number of the last entry: its inode.
    entries: u32,
}

/// What an entry's header says besides its name and size.
struct Kind {
    mode: u32,
    /// Major and minor number of a device.
    device: (u32, u32),
}

impl Archive {
    /// Adds a folder. Those above have to be there.
    ///
    /// # Errors
    ///
    /// [`Error::TooBig`].
    pub fn folder(&mut self, path: &str) -> Result<(), Error> {
        self.entry(path, &Kind { mode: DIRECTORY | 0o755, device: (0, 0) }, &[])
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// [`Error::TooBig`].
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.entry(path, &Kind { mode: REGULAR | 0o644, device: (0, 0) }, bytes)
    }

    /// Adds a file that can be executed.
    ///
    /// # Errors
    ///
    /// [`Error::TooBig`].
    pub fn program(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.entry(path, &Kind { mode: REGULAR | 0o755, device: (0, 0) }, bytes)
    }

    /// Adds a character device.
    ///
    /// # Errors
    ///
    /// [`Error::TooBig`].
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> Result<(), Error> {
        self.entry(path, &Kind { mode: CHARACTER_DEVICE | 0o600, device: (major, minor) }, &[])
    }

    /// The whole archive.
    ///
    /// # Errors
    ///
    /// [`Error::TooBig`].
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        self.entry(TRAILER, &Kind { mode: 0, device: (0, 0) }, &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, path: &str, kind: &Kind, bytes: &[u8]) -> Result<(), Error> {
        let name = path.trim_start_matches('/');
        let size = |length: usize| u32::try_from(length).map_err(|_| Error::TooBig { path: path.to_owned() });
        self.entries += 1;
        let (major, minor) = kind.device;
        // ino, mode, uid, gid, nlink, mtime, filesize, dev, rdev, namesize with its end, check
        let fields =
            [self.entries, kind.mode, 0, 0, 1, 0, size(bytes.len())?, 0, 0, major, minor, size(name.len() + 1)?, 0];
        self.bytes.extend(MAGIC.bytes());
        fields.iter().for_each(|field| self.bytes.extend(format!("{field:08x}").bytes()));
        self.bytes.extend(name.bytes().chain([0]));
        self.align();
        self.bytes.extend(bytes);
        self.align();
        Ok(())
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.folder("/bin").unwrap();
        archive.program("/bin/tc", b"\x7fELF!").unwrap();
        archive.file("/list", b"").unwrap();
        archive.device("/console", 5, 1).unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn an_entry_is_a_header_a_name_and_bytes() {
        let archive = archive();
        let text = String::from_utf8_lossy(&archive);
        // bin/tc: the second entry, 0100755, 5 bytes, a name of 7 with its end
        let program = "070701\
            00000002000081ed00000000000000000000000100000000000000050000000000000000000000000000000000000007\
            00000000bin/tc\0\0\0\0\x7fELF!\0\0\0";
        assert!(text.contains(program), "{text:?}");
        // console: 0020600, 5:1
        let device =
            "000021800000000000000000000000010000000000000000000000000000000000000005000000010000000800000000console\0";
        assert!(text.contains(device), "{text:?}");
        assert!(text.trim_end_matches('\0').ends_with(TRAILER));
        assert_eq!(archive.len() % ALIGN, 0);
    }
}
