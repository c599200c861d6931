//! Maps that several loads share: given on, or pinned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use bpfasm_loader::map::{Difference, MapSpec, UpdateFlags};
use bpfasm_loader::{Error, ErrorKind, LoadOptions, Map, bpffs, load};
use bpfasm_object::Object;
use bpfasm_object::kernel::MapType;
use libtest_mimic::Trial;

use crate::harness::{Need, Outcome, test};
use crate::objects::{OK, map, mapped};

const NEEDS: &[Need] = &[Need::Privileges];

pub fn tests() -> Vec<Trial> {
    vec![
        test("map: given on to another load", NEEDS, reused),
        test("map: what differs is named", NEEDS, differing),
        test("map: pinned, found, unpinned", NEEDS, pins),
        test("map: shared by a folder of pins", NEEDS, folder),
        test("map: many processes get the same maps", NEEDS, raced),
    ]
}

fn object() -> Object {
    mapped("sharing", map("counts", MapType::HASH, 4, 8, 16), OK)
}

fn reused() -> Outcome {
    let first = load(&object())?;
    let counts = first.map("counts")?.clone();
    drop(first);
    counts.update(&[1; 4], &[2; 8], UpdateFlags::ANY)?;
    let second = LoadOptions::new().reuse_map("counts", counts.clone()).load(&object())?;
    assert_eq!(second.map("counts")?.id(), counts.id());
    assert_eq!(second.map("counts")?.lookup(&[1; 4])?, Some(vec![2; 8]));
    let used = bpfasm_loader::sys::prog_map_ids(std::os::fd::AsFd::as_fd(second.program("sharing")?))?;
    assert_eq!(used, [counts.id()]);
    let error = LoadOptions::new().reuse_map("count", counts).load(&object()).expect_err("no such map");
    assert_eq!((error.to_string().as_str(), error.kind()), ("no map `count`; there is `counts`", ErrorKind::NotFound));
    Ok(())
}

fn differing() -> Outcome {
    let same = || MapSpec::new(MapType::HASH, 4, 8, 16).name("counts");
    let other = |spec: MapSpec| -> Result<String, Error> {
        let result = LoadOptions::new().reuse_map("counts", Map::create(&spec)?).load(&object());
        let error = result.expect_err("it differs");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        Ok(error.to_string())
    };
    let told = [
        (MapSpec::new(MapType::LRU_HASH, 4, 8, 16), "its type is lru_hash, not hash"),
        (MapSpec::new(MapType::HASH, 8, 8, 16), "its keys have 8 bytes, not 4"),
        (MapSpec::new(MapType::HASH, 4, 4, 16), "its values have 4 bytes, not 8"),
        (MapSpec::new(MapType::HASH, 4, 8, 17), "it is for 17 entries, not 16"),
        (same().flags(1), "its flags are 0x1, not 0x0"),
        (
            MapSpec::new(MapType::ARRAY, 4, 16, 3),
            "its type is array, not hash; its values have 16 bytes, not 8; it is for 3 entries, not 16",
        ),
    ];
    for (spec, difference) in told {
        assert_eq!(other(spec)?, format!("map `counts`: {difference}"));
    }
    assert_eq!(same().differences(&Map::create(&same())?), []);
    let devices = MapSpec::new(MapType::DEVMAP, 4, 4, 16);
    assert_eq!(devices.differences(&Map::create(&devices)?), [], "flags that the kernel sets by itself");
    let bits = |extra| MapSpec::new(MapType::BLOOM_FILTER, 0, 4, 16).extra(extra);
    assert_eq!(bits(2).differences(&Map::create(&bits(3))?), [Difference::Extra { wanted: 2, found: 3 }]);
    Ok(())
}

/// A folder of this test's own in the bpffs, removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Folder, Error> {
        Ok(Folder(bpffs::ensure()?.join(format!("bpfasm_test_{}_{name}", std::process::id()))))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pins() -> Outcome {
    let folder = Folder::new("pins")?;
    fs::create_dir(&folder.0)?;
    let (path, spec) = (folder.0.join("counts"), MapSpec::new(MapType::HASH, 4, 8, 16).name("counts"));
    let map = Map::create(&spec)?;
    map.pin(&path)?;
    assert!(matches!(map.pin(&path), Err(Error::PinExists { .. })));
    assert_eq!(Map::from_pin(&path)?.id(), map.id());
    assert_eq!(Map::open_or_create(&path, &spec)?.id(), map.id());
    let error = Map::open_or_create(&path, &spec.clone().flags(1)).expect_err("it differs");
    assert!(matches!(error, Error::MapDiffers { .. }), "{error}");
    let other = Map::create(&spec)?;
    assert_eq!(other.unpin(&path).map_err(|error| error.kind()), Err(ErrorKind::Usage));
    map.unpin(&path)?;
    assert!(matches!(map.unpin(&path), Err(Error::NoSuchPin { .. })));
    crate::objects::program("f", OK)?.pin(&path)?;
    let error = Map::from_pin(&path).expect_err("a program");
    assert!(matches!(error, Error::Usage { .. }), "{error}");
    let error = map.pin("/proc/counts").expect_err("no bpffs");
    assert_eq!(error.to_string(), "/proc/counts is in no bpffs");
    Ok(())
}

fn folder() -> Outcome {
    let folder = Folder::new("folder")?;
    let options = LoadOptions::new().pin_maps(&folder.0);
    let ids: Vec<u32> =
        (0..3).map(|_| Ok::<_, Error>(options.load(&object())?.map("counts")?.id())).collect::<Result<_, _>>()?;
    assert_eq!(ids, [ids[0]; 3]);
    assert_eq!(Map::from_pin(folder.0.join("counts"))?.id(), ids[0]);
    let mut object = object();
    object.maps[0].max_entries = 17;
    assert!(matches!(options.load(&object), Err(Error::MapDiffers { .. })));
    let own = Map::create(&MapSpec::new(MapType::HASH, 4, 8, 17))?;
    let loaded = options.reuse_map("counts", own.clone()).load(&object)?;
    assert_eq!(loaded.map("counts")?.id(), own.id(), "what is given comes first");
    let error = LoadOptions::new().pin_maps("/proc").load(&object).expect_err("no bpffs");
    assert!(matches!(error, Error::NotBpffs { .. }), "{error}");
    Ok(())
}

const PROCESSES: usize = 64;
const ROUNDS: u32 = 50;
const MAPS: u32 = 16;

/// What a process is told: the folder, and when the first round begins.
const FOLDER: &str = "BPFASM_TEST_FOLDER";
const BEGIN: &str = "BPFASM_TEST_BEGIN";

fn raced() -> Outcome {
    let folder = Folder::new("raced")?;
    fs::create_dir(&folder.0)?;
    let begin = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_millis(500);
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("--as=sharer").env(FOLDER, &folder.0).env(BEGIN, begin.as_millis().to_string());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        })
        .collect::<Result<_, _>>()?;
    let mut ids = BTreeMap::<u32, Vec<String>>::new();
    for child in children {
        let output = child.wait_with_output()?;
        let (told, errors) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        for line in told.lines() {
            let (round, of_maps) = line.split_once(' ').ok_or("no ids")?;
            ids.entry(round.parse()?).or_default().push(of_maps.to_owned());
        }
    }
    assert_eq!(ids.len(), usize::try_from(ROUNDS)?);
    for (round, ids) in ids {
        assert_eq!((ids.len(), &ids), (PROCESSES, &vec![ids[0].clone(); PROCESSES]), "round {round}: the same maps");
    }
    Ok(())
}

/// The part of one of many processes: in each round, all load at the same moment.
pub fn share() -> ExitCode {
    let folder = std::env::var(FOLDER).unwrap_or_default();
    let begin = Duration::from_millis(std::env::var(BEGIN).ok().and_then(|begin| begin.parse().ok()).unwrap_or(0));
    for round in 0..ROUNDS {
        let due = UNIX_EPOCH + begin + Duration::from_millis(20) * round;
        if let Ok(wait) = due.duration_since(SystemTime::now()) {
            thread::sleep(wait);
        }
        match share_once(&Path::new(&folder).join(format!("round{round}"))) {
            Ok(ids) => println!("{round} {ids:?}"),
            Err(error) => {
                eprintln!("round {round}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// The ids of the maps that are pinned, if they are those that were loaded.
fn share_once(folder: &Path) -> Result<Vec<u32>, Error> {
    let mut object = object();
    // Each is another race.
    object.maps.extend((0..MAPS).map(|n| map(&format!("map{n}"), MapType::ARRAY, 4, 8, 1)));
    let loaded = LoadOptions::new().pin_maps(folder).load(&object)?;
    let ids: Vec<u32> = loaded.maps().map(Map::id).collect();
    let pinned = |map: &Map| Ok(Map::from_pin(folder.join(map.name()))?.id());
    let pinned: Vec<u32> = loaded.maps().map(pinned).collect::<Result<_, Error>>()?;
    if ids == pinned { Ok(ids) } else { Err(Error::Usage { what: format!("{ids:?}, and {pinned:?} are pinned") }) }
}
