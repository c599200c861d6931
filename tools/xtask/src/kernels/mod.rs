//! `cargo xtask kernels`: the kernels of the matrix, from Debian's archive, ready to be booted.

mod archive;
mod modules;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use self::archive::Archive;
use self::modules::Tree;
use crate::cache;
use crate::error::Error;
use crate::scratch::make;

/// The environment variable that names a folder of kernels.
const FROM: &str = "BPFASM_KERNELS";

/// Fetch the kernels of the matrix.
///
/// They come from Debian's archive, found in the system's own sources, and are kept in the user's cache folder.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernels [default: all]
    #[arg(value_enum, value_name = "KERNEL")]
    kernels: Vec<Kernel>,
    #[command(flatten)]
    from: From,
    /// Ask the archive for a newer one than that of the cache
    #[arg(long, conflicts_with = "from")]
    refresh: bool,
}

/// Where kernels come from.
#[derive(Clone, Debug, clap::Args)]
pub struct From {
    /// Take them from this folder, laid out as the cache is, and fetch nothing [default: $BPFASM_KERNELS, or the cache]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// A kernel of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kernel {
    /// That of Debian bullseye
    #[value(name = "5.10")]
    V5_10,
    /// That of Debian bookworm
    #[value(name = "6.1")]
    V6_1,
    /// That of Debian trixie
    #[value(name = "6.12")]
    V6_12,
    /// The newest of trixie-backports
    #[value(name = "newest")]
    Newest,
}

/// A kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Which one.
    pub kernel: Kernel,
    /// Its release, the name of its folder of modules.
    pub release: String,
    /// The kernel's image.
    pub image: PathBuf,
    /// The modules that guests load, each after those it depends on.
    pub modules: Vec<Module>,
}

/// A module that guests load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, as the kernel has it: with underscores.
    pub name: String,
    /// Its file, not compressed.
    pub path: PathBuf,
}

/// What the folder of a kernel holds besides its modules, `NAME.ko` each.
const IMAGE: &str = "vmlinuz";
const RELEASE: &str = "release";
/// The names of the modules in load order. The first line is [`modules::WANTED`], to tell a folder that is out of date.
const ORDER: &str = "modules";

impl Args {
    /// Makes the kernels ready, and prints where they are.
    ///
    /// # Errors
    ///
    /// A kernel can't be had.
    pub fn run(self) -> Result<(), Error> {
        let chosen = if self.kernels.is_empty() { Kernel::value_variants() } else { &self.kernels };
        for &kernel in chosen {
            let ready =
                if self.refresh { kernel.fetch(&cache::folder("kernels")?)? } else { kernel.ready(&self.from)? };
            println!("{:7} {:32} {}", kernel.tag(), ready.release, ready.image.display());
        }
        Ok(())
    }
}

impl Kernel {
    /// Its name on the command line, and that of its folder.
    pub fn tag(self) -> &'static str {
        match self {
            Self::V5_10 => "5.10",
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Newest => "newest",
        }
    }

    /// The suite of Debian's archive that has it.
    fn suite(self) -> &'static str {
        match self {
            Self::V5_10 => "bullseye",
            Self::V6_1 => "bookworm",
            Self::V6_12 => "trixie",
            Self::Newest => "trixie-backports",
        }
    }

    /// QEMU's word for the processor. With 16-byte compare-and-exchange, 6.12 dies of a double fault in QEMU 7.2.
    pub fn processor(self) -> &'static str {
        match self {
            Self::V6_12 => "max,-cx16",
            Self::V5_10 | Self::V6_1 | Self::Newest => "max",
        }
    }

    /// The kernel from a folder, from the cache, or else from the archive.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`], with the reason why it can't be had.
    pub fn ready(self, from: &From) -> Result<Ready, Error> {
        let given = from.from.clone().or_else(|| env::var_os(FROM).map(PathBuf::from));
        if let Some(folder) = given {
            return self.open(&folder.join(self.tag())).map_err(|error| self.unavailable(error));
        }
        let cache = cache::folder("kernels")?;
        self.open(&cache.join(self.tag())).or_else(|_| self.fetch(&cache))
    }

    fn unavailable(self, reason: Error) -> Error {
        Error::Kernel { tag: self.tag(), reason: Box::new(reason) }
    }

    /// Reads a folder that [`Self::fetch`] has made.
    fn open(self, folder: &Path) -> Result<Ready, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|source| Error::File { path, source })
        };
        let order = read(ORDER)?;
        let mut lines = order.lines();
        if lines.next() != Some(modules::WANTED.join(" ").as_str()) {
            return Err(Error::StaleKernel { path: folder.to_owned() });
        }
        let module = |name: &str| Module { name: name.to_owned(), path: folder.join(format!("{name}.ko")) };
        let ready = Ready {
            kernel: self,
            release: read(RELEASE)?.trim_end().to_owned(),
            image: folder.join(IMAGE),
            modules: lines.map(module).collect(),
        };
        for path in ready.modules.iter().map(|module| &module.path).chain([&ready.image]) {
            fs::metadata(path).map_err(|source| Error::File { path: path.clone(), source })?;
        }
        Ok(ready)
    }

    /// Fetches it into its folder of the cache, in place of what is there.
    fn fetch(self, cache: &Path) -> Result<Ready, Error> {
        eprintln!("{}: fetching from {}", self.tag(), self.suite());
        let (folder, part) = (cache.join(self.tag()), cache.join(format!("{}.part", self.tag())));
        let fetched = remove(&part).and_then(|()| self.fetch_into(&part)).and_then(|()| {
            remove(&folder)?;
            fs::rename(part.join("ready"), &folder).map_err(|source| Error::File { path: folder.clone(), source })?;
            self.open(&folder)
        });
        let removed = remove(&part);
        fetched.and_then(|ready| removed.map(|()| ready)).map_err(|error| self.unavailable(error))
    }

    fn fetch_into(self, part: &Path) -> Result<(), Error> {
        let (root, ready) = (part.join("root"), part.join("ready"));
        make(&ready)?;
        Archive::open(&part.join("apt"), self.suite())?.unpack_kernel(&root)?;
        let tree = Tree::open(&root)?;
        let order = tree.copy_wanted(&ready)?;
        let order =
            [modules::WANTED.join(" ")].into_iter().chain(order).fold(String::new(), |text, line| text + &line + "\n");
        let write = |name: &str, bytes: &[u8]| {
            let path = ready.join(name);
            fs::write(&path, bytes).map_err(|source| Error::File { path, source })
        };
        let image = tree.image()?;
        write(IMAGE, &fs::read(&image).map_err(|source| Error::File { path: image, source })?)?;
        write(ORDER, order.as_bytes())?;
        write(RELEASE, tree.release().as_bytes())
    }
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { path: folder.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn tags_are_the_words_of_the_command_line() {
        for kernel in Kernel::value_variants() {
            assert_eq!(kernel.to_possible_value().unwrap().get_name(), kernel.tag());
        }
    }

    #[test]
    fn a_folder_of_kernels_is_read_and_must_be_whole() {
        let scratch = Scratch::new("kernels-test").unwrap();
        let folder = scratch.path().join("6.1");
        let from = From { from: Some(scratch.path().to_owned()) };
        assert!(matches!(Kernel::V6_1.ready(&from), Err(Error::Kernel { tag: "6.1", .. })));

        fs::create_dir(&folder).unwrap();
        let order = format!("{}\nllc\nveth\n", modules::WANTED.join(" "));
        for (name, text) in [(IMAGE, "image"), (RELEASE, "6.1.0-9\n"), (ORDER, &order), ("llc.ko", ""), ("veth.ko", "")]
        {
            assert!(Kernel::V6_1.ready(&from).is_err(), "without {name}");
            fs::write(folder.join(name), text).unwrap();
        }
        let ready = Kernel::V6_1.ready(&from).unwrap();
        assert_eq!(ready.release, "6.1.0-9");
        assert_eq!(ready.modules.iter().map(|module| module.name.as_str()).collect::<Vec<_>>(), ["llc", "veth"]);

        fs::write(folder.join(ORDER), "veth\nveth\n").unwrap();
        let Err(Error::Kernel { reason, .. }) = Kernel::V6_1.ready(&from) else { panic!("of other modules") };
        assert!(matches!(*reason, Error::StaleKernel { .. }));
    }
}
