//! What a map is created as, and whether one that is there already is the same.

use std::fmt;
use std::os::fd::BorrowedFd;

use bpfasm_object::MapData;
use bpfasm_object::kernel::MapType;

use super::Map;
use crate::privilege::Action;
use crate::sys::{self, Errno, MapCreate};
use crate::{Error, memlock};

/// What a map is created as.
///
/// ```no_run
/// use bpfasm_loader::map::{Map, MapSpec};
/// use bpfasm_object::kernel::MapType;
///
/// let map = Map::create(&MapSpec::of::<u32, u64>(MapType::HASH, 1024).name("counts"))?;
/// assert_eq!((map.key_size(), map.value_size()), (4, 8));
/// # Ok::<(), bpfasm_loader::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSpec {
    name: String,
    map_type: MapType,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    extra: u64,
}

impl MapSpec {
    /// A nameless map of keys and values of so many bytes, for so many entries; a ring buffer of so many bytes.
    #[must_use]
    pub fn new(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapSpec {
        MapSpec { name: String::new(), map_type, key_size, value_size, max_entries, flags: 0, extra: 0 }
    }

    /// A nameless map of these keys and values. Of a per-CPU type, `V` is the value of one CPU.
    #[must_use]
    pub fn of<K: MapData, V: MapData>(map_type: MapType, max_entries: u32) -> MapSpec {
        // No kernel takes what does not fit: KMALLOC_MAX_SIZE limits both.
        let size = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        MapSpec::new(map_type, size(K::SIZE), size(V::SIZE), max_entries)
    }

    /// Its name. The kernel keeps 15 bytes of it, with `_` for what is no letter, digit, `_` or `.`.
    #[must_use]
    pub fn name(self, name: &str) -> MapSpec {
        MapSpec { name: name.to_owned(), ..self }
    }

    /// `BPF_F_*` of map creation, such as `BPF_F_NO_PREALLOC`.
    #[must_use]
    pub fn flags(self, flags: u32) -> MapSpec {
        MapSpec { flags, ..self }
    }

    /// What the type takes besides, such as the number of hash functions of a bloom filter (Linux 5.16).
    #[must_use]
    pub fn extra(self, extra: u64) -> MapSpec {
        MapSpec { extra, ..self }
    }

    /// In what a map differs from this; the name does not count.
    #[must_use]
    pub fn differences(&self, map: &Map) -> Vec<Difference> {
        let info = &map.open.info;
        let found_type = map.map_type();
        let wanted_flags = match found_type {
            // The kernel sets this by itself (`dev_map_init_map` in kernel/bpf/devmap.c).
            MapType::DEVMAP | MapType::DEVMAP_HASH => self.flags | BPF_F_RDONLY_PROG,
            _ => self.flags,
        } & !(BPF_F_RDONLY | BPF_F_WRONLY);
        let rows = [
            (self.map_type != found_type, Difference::Type { wanted: self.map_type, found: found_type }),
            (self.key_size != info.key_size, Difference::KeySize { wanted: self.key_size, found: info.key_size }),
            (
                self.value_size != info.value_size,
                Difference::ValueSize { wanted: self.value_size, found: info.value_size },
            ),
            (
                self.max_entries != info.max_entries,
                Difference::MaxEntries { wanted: self.max_entries, found: info.max_entries },
            ),
            (wanted_flags != info.flags, Difference::Flags { wanted: wanted_flags, found: info.flags }),
            (self.extra != info.extra, Difference::Extra { wanted: self.extra, found: info.extra }),
        ];
        rows.into_iter().filter_map(|(differs, difference)| differs.then_some(difference)).collect()
    }

    /// The map under this name, if it is what this says.
    pub(crate) fn accept(&self, map: Map) -> Result<Map, Error> {
        let differences = self.differences(&map);
        if differences.is_empty() {
            Ok(map.named(&self.name))
        } else {
            Err(Error::MapDiffers { map: self.name.clone(), differences })
        }
    }

    fn explain(&self, errno: Errno) -> Error {
        match errno {
            Errno::EPERM => Error::sys(Action::CREATE_MAP, errno),
            Errno::EINVAL if is_unknown(self.map_type) => {
                Error::Unsupported { what: format!("{} maps", self.map_type), since: self.map_type.first_kernel() }
            }
            errno => Error::Map { map: self.name.clone(), action: "create it", errno },
        }
    }
}

/// `BPF_F_RDONLY` of map creation: of the descriptor, and not of the map.
const BPF_F_RDONLY: u32 = 1 << 3;
/// `BPF_F_WRONLY` of map creation: of the descriptor, and not of the map.
const BPF_F_WRONLY: u32 = 1 << 4;
/// `BPF_F_RDONLY_PROG` of map creation.
const BPF_F_RDONLY_PROG: u32 = 1 << 7;

/// In what a map is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The type.
    Type {
        /// What it should be.
        wanted: MapType,
        /// What it is.
        found: MapType,
    },
    /// The size of its keys, bytes.
    KeySize {
        /// What it should be.
        wanted: u32,
        /// What it is.
        found: u32,
    },
    /// The size of its values, bytes; of one CPU's, where there is one for each.
    ValueSize {
        /// What it should be.
        wanted: u32,
        /// What it is.
        found: u32,
    },
    /// Whether there is a value for each CPU.
    PerCpu {
        /// Whether there should be.
        wanted: bool,
    },
    /// The number of entries.
    MaxEntries {
        /// What it should be.
        wanted: u32,
        /// What it is.
        found: u32,
    },
    /// The flags of its creation.
    Flags {
        /// What they should be.
        wanted: u32,
        /// What they are.
        found: u32,
    },
    /// What its type takes besides: `map_extra`.
    Extra {
        /// What it should be.
        wanted: u64,
        /// What it is.
        found: u64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Type { wanted, found } => write!(f, "its type is {found}, not {wanted}"),
            Difference::KeySize { wanted, found } => write!(f, "its keys have {found} bytes, not {wanted}"),
            Difference::ValueSize { wanted, found } => write!(f, "its values have {found} bytes, not {wanted}"),
            Difference::PerCpu { wanted: true } => f.write_str("it does not have a value for each CPU"),
            Difference::PerCpu { wanted: false } => f.write_str("it has a value for each CPU"),
            Difference::MaxEntries { wanted, found } => write!(f, "it is for {found} entries, not {wanted}"),
            Difference::Flags { wanted, found } => write!(f, "its flags are {found:#x}, not {wanted:#x}"),
            Difference::Extra { wanted, found } => write!(f, "its map_extra is {found}, not {wanted}"),
        }
    }
}

impl Map {
    /// Makes a map.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] without `CAP_BPF`, [`Error::Unsupported`] if the kernel does not know the type,
    /// [`Error::Map`] for sizes and flags that the type does not take.
    pub fn create(spec: &MapSpec) -> Result<Map, Error> {
        Map::create_typed(spec, None)
    }

    /// As [`create`](Map::create), with the types of keys and values: a BTF and ids in it.
    pub(crate) fn create_typed(spec: &MapSpec, btf: Option<(BorrowedFd<'_>, u32, u32)>) -> Result<Map, Error> {
        let typed = MapCreate {
            map_type: spec.map_type.0,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            flags: spec.flags,
            name: &spec.name,
            btf,
            extra: spec.extra,
        };
        let make = |create: &MapCreate<'_>| memlock::retry(|| sys::map_create(create), |&errno| errno);
        let made = match make(&typed) {
            // Some types of map take no types of keys and values, and each kernel says so in its way.
            Err(errno) if btf.is_some() && errno != Errno::EPERM => make(&MapCreate { btf: None, ..typed.clone() }),
            made => made,
        };
        Map::adopt(made.map_err(|errno| spec.explain(errno))?, Some(&spec.name))
    }
}

/// Whether the kernel does not know a type of map: it then refuses the type before it looks at anything else, with the
/// error that it gives for a type that no kernel has.
fn is_unknown(map_type: MapType) -> bool {
    // Sizes that no type of map takes all three of: a type that is known objects with another error, or makes the map.
    let plausible = [(4, 4, 1), (0, 4, 1), (0, 0, 4096), (4, 0, 1)];
    plausible.iter().all(|&(key_size, value_size, max_entries)| {
        let create = MapCreate { map_type: map_type.0, key_size, value_size, max_entries, ..MapCreate::default() };
        sys::map_create(&create).err() == Some(Errno::EINVAL)
    })
}
