//! A kernel's unpacked packages: its image, and the modules that guests load.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::chore::{bytes, command};
use crate::error::Error;
use crate::scratch::files;

/// What cases need, and most kernels of the matrix do not have built in.
pub const WANTED: [&str; 6] = ["veth", "dummy", "sch_ingress", "cls_bpf", "cls_u32", "act_bpf"];

/// The unpacked packages of one kernel.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    release: String,
    /// The files of all modules, by name.
    modules: BTreeMap<String, PathBuf>,
}

impl Tree {
    /// Looks through them.
    ///
    /// # Errors
    ///
    /// There are no modules, or of more than one kernel.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let folders = [root.join("usr/lib/modules"), root.join("lib/modules")];
        let releases: Vec<PathBuf> = folders.iter().filter_map(|folder| files(folder).ok()).flatten().collect();
        let [release] = &releases[..] else { return Err(Error::NoModules { path: root.to_owned() }) };
        let mut modules = BTreeMap::new();
        walk(&release.join("kernel"), &mut |path| {
            if let Some(name) = module_name(&path) {
                modules.insert(name, path);
            }
        })?;
        Ok(Self {
            root: root.to_owned(),
            release: release.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            modules,
        })
    }

    /// The kernel's release, as `uname -r` prints it.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The kernel's image.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn image(&self) -> Result<PathBuf, Error> {
        let mut image = None;
        walk(&self.root, &mut |path| {
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")) {
                image = Some(path);
            }
        })?;
        image.ok_or(Error::NoImage { path: self.root.clone() })
    }

    /// Copies [`WANTED`], and what they depend on, to `folder`, not compressed. Gives their names in load order.
    ///
    /// # Errors
    ///
    /// There is none of a name.
    pub fn copy_wanted(&self, folder: &Path) -> Result<Vec<String>, Error> {
        load_order(&WANTED, &mut |name| {
            let path = self.modules.get(name).ok_or_else(|| Error::NoModule { name: name.to_owned() })?;
            let module = read_module(path)?;
            let copy = folder.join(format!("{name}.ko"));
            fs::write(&copy, &module).map_err(|source| Error::File { path: copy, source })?;
            Ok(depends(&module))
        })
    }
}

/// What a module depends on, by its name.
type Depends<'a, E> = dyn FnMut(&str) -> Result<Vec<String>, E> + 'a;

/// The wanted names with all that they depend on, each after those that it depends on. `depends` is asked once for each.
fn load_order<E>(wanted: &[&str], depends: &mut Depends<'_, E>) -> Result<Vec<String>, E> {
    let (mut seen, mut order) = (Vec::new(), Vec::new());
    wanted.iter().try_for_each(|name| visit(name, depends, &mut seen, &mut order))?;
    Ok(order)
}

fn visit<E>(
    name: &str,
    depends: &mut Depends<'_, E>,
    seen: &mut Vec<String>,
    order: &mut Vec<String>,
) -> Result<(), E> {
    if !seen.iter().any(|known| known == name) {
        seen.push(name.to_owned());
        depends(name)?.iter().try_for_each(|other| visit(other, depends, seen, order))?;
        order.push(name.to_owned());
    }
    Ok(())
}

/// The name of the module in a file, as the kernel has it. None of what is no module.
fn module_name(path: &Path) -> Option<String> {
    let (name, end) = path.file_name()?.to_str()?.split_once('.')?;
    (end == "ko" || end.starts_with("ko.")).then(|| name.replace('-', "_"))
}

fn read_module(path: &Path) -> Result<Vec<u8>, Error> {
    if path.extension().is_some_and(|end| end == "xz") {
        return bytes(command("xz").arg("-dc").arg(path));
    }
    fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// What a module says that it depends on: the string `depends=A,B` of its section `.modinfo`.
fn depends(module: &[u8]) -> Vec<String> {
    let strings = module.split(|&byte| byte == 0);
    let names = strings.filter_map(|string| string.strip_prefix(b"depends=")).next().unwrap_or_default();
    let names = String::from_utf8_lossy(names);
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

fn walk(folder: &Path, found: &mut impl FnMut(PathBuf)) -> Result<(), Error> {
    for path in files(folder)? {
        // A link may lead out of the tree.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() { walk(&path, found)? } else { found(path) }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_module_comes_after_those_it_depends_on_and_once() {
        let table =
            [("bridge", "stp,llc"), ("stp", "llc"), ("llc", ""), ("veth", ""), ("loop", "pool"), ("pool", "loop")];
        let mut asked = Vec::new();
        let mut depends = |name: &str| {
            asked.push(name.to_owned());
            let (_, names) = table.iter().find(|(module, _)| *module == name).unwrap();
            Ok::<_, Infallible>(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
        };
        let order = load_order(&["veth", "bridge", "llc", "loop"], &mut depends).unwrap();
        assert_eq!(order, ["veth", "llc", "stp", "bridge", "pool", "loop"]);
        asked.sort();
        assert!(asked.windows(2).all(|pair| pair[0] != pair[1]), "{asked:?}");
    }

    #[test]
    fn a_module_that_is_nowhere_is_an_error() {
        let mut depends = |name: &str| if name == "a" { Ok(vec!["b".to_owned()]) } else { Err(name.to_owned()) };
        assert_eq!(load_order(&["a"], &mut depends), Err("b".to_owned()));
    }

    #[test]
    fn names_are_the_kernel_s() {
        assert_eq!(module_name(Path::new("net/sched/cls_bpf.ko.xz")).as_deref(), Some("cls_bpf"));
        assert_eq!(module_name(Path::new("nf-defrag.ko")).as_deref(), Some("nf_defrag"));
        assert_eq!(module_name(Path::new("modules.builtin")), None);
        assert_eq!(depends(b"\x7fELF\0license=GPL\0depends=stp,nf-log\0name=x\0"), ["stp", "nf_log"]);
        assert_eq!(depends(b"\0depends=\0depends=no\0"), [""; 0]);
        assert_eq!(depends(b"\x7fELF"), [""; 0]);
    }
}
