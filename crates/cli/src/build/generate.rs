//! The crate that takes a program file in: its manifest, its `main`, its lock file.
//!
//! It lies in `TARGET/bpfasm/build/NAME-HASH`, where HASH is that of the file's absolute path, and is a workspace of
//! its own. A file is written only when its text changes, so that cargo finds everything fresh.

use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cargo_metadata::Dependency;

use super::manifest::{Facade, Home};
use super::scan::Found;
use super::{Error, FACADE};

/// The generated crate of one program file.
#[derive(Debug)]
pub struct Crate {
    /// Its folder.
    pub folder: PathBuf,
    /// Cargo's target folder for it, shared by all program files of the workspace.
    pub target: PathBuf,
}

/// Writes the crate that holds `file`, an absolute path, with the programs found in it.
///
/// # Errors
///
/// A path that Rust source can't hold (not UTF-8), or a file that can't be written.
pub fn generate(home: &Home, file: &Path, programs: &[Found]) -> Result<Crate, Error> {
    let package = package_name(file);
    let target = home.target.join("bpfasm");
    let folder = target.join("build").join(&package);
    fs::create_dir_all(folder.join("src")).map_err(|source| Error::Write { path: folder.clone(), source })?;
    write_if_changed(&folder.join("Cargo.toml"), &Manifest { package: &package, home }.to_string())?;
    write_if_changed(&folder.join("src/main.rs"), &main_rs(home, file, programs)?)?;
    take_lock_file(&home.workspace, &folder)?;
    Ok(Crate { folder, target })
}

/// `NAME-HASH`: a package name of the file's own, the same on every run.
fn package_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    // Cargo takes no package name that starts with a digit.
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert(0, 'p');
    }
    format!("{name}-{:016x}", fnv1a(file.as_os_str().as_encoded_bytes()))
}

/// The 64-bit FNV-1a hash: the same on every machine and with every compiler.
///
/// # References
///
/// RFC 9923, "The FNV Non-Cryptographic Hash Algorithm".
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn main_rs(home: &Home, file: &Path, programs: &[Found]) -> Result<String, Error> {
    let not_utf8 = || Error::PathNotUtf8 { path: file.to_owned() };
    let path = file.to_str().ok_or_else(not_utf8)?;
    let name = file.strip_prefix(&home.root).unwrap_or(file).to_str().ok_or_else(not_utf8)?;
    let entries: String = programs.iter().fold(String::new(), |text, found| {
        let place: String = found.modules.iter().map(|module| format!("{module}::")).collect();
        text + "        " + &found.cfgs.join(" ") + " &program::" + &place + "__BPFASM_" + &found.name + ",\n"
    });
    Ok(format!(
        "// Written by `bpfasm build`.\n\
         #[allow(dead_code)]\n\
         #[path = {path:?}]\n\
         mod program;\n\
         \n\
         fn main() -> ::std::process::ExitCode {{\n    \
             let file = ::bpfasm::build::File {{ path: {path:?}, name: {name:?}, text: include_str!({path:?}) }};\n    \
             ::bpfasm::build::main(file, &[\n{entries}    ])\n\
         }}\n"
    ))
}

/// The generated manifest, as TOML.
struct Manifest<'a> {
    package: &'a str,
    home: &'a Home,
}

impl fmt::Display for Manifest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, home } = *self;
        writeln!(f, "# Written by `bpfasm build`.")?;
        writeln!(f, "[package]\nname = {}\nversion = \"0.0.0\"", Toml(package))?;
        writeln!(f, "edition = {}\npublish = false\n", Toml(&home.edition))?;
        writeln!(f, "[workspace]\n")?;
        writeln!(f, "[profile.dev]\nopt-level = 0\ndebug = 0\nincremental = true\n")?;
        writeln!(f, "[dependencies]\nbpfasm = {{ {} }}", facade_line(&home.facade))?;
        for dependency in home.dependencies.iter().filter(|dependency| dependency.target.is_none()) {
            writeln!(f, "{} = {{ {} }}", Toml(key(dependency)), dependency_line(dependency))?;
        }
        for dependency in &home.dependencies {
            if let Some(platform) = &dependency.target {
                writeln!(f, "\n[target.{}.dependencies]", Toml(&platform.to_string()))?;
                writeln!(f, "{} = {{ {} }}", Toml(key(dependency)), dependency_line(dependency))?;
            }
        }
        self.features(f)
    }
}

impl Manifest<'_> {
    /// The package's features, without what they enable in crates that the generated one has not.
    fn features(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.home.features.is_empty() {
            writeln!(f, "\n[features]")?;
        }
        for (name, enables) in &self.home.features {
            let kept: Vec<String> =
                enables.iter().filter(|value| self.can_enable(value)).map(|value| Toml(value).to_string()).collect();
            writeln!(f, "{} = [{}]", Toml(name), kept.join(", "))?;
        }
        Ok(())
    }

    /// Whether a feature's value (`name`, `dep:name`, `name/feature`, `name?/feature`) means something here.
    fn can_enable(&self, value: &str) -> bool {
        let named = match (value.strip_prefix("dep:"), value.split_once('/')) {
            (Some(name), _) => name,
            (None, Some((name, _))) => name.trim_end_matches('?'),
            (None, None) => return true,
        };
        self.home.dependencies.iter().any(|dependency| key(dependency) == named)
    }
}

/// The name by which the package's code knows a dependency.
fn key(dependency: &Dependency) -> &str {
    dependency.rename.as_deref().unwrap_or(&dependency.name)
}

/// Program files reach the facade as `bpfasm`, and building them takes the eDSL alone.
fn facade_line(facade: &Facade) -> String {
    let from = match facade {
        Facade::Dependency(dependency) => source(dependency),
        Facade::Itself(root) => format!("path = {}", Toml(&root.to_string_lossy())),
    };
    format!("package = {}, {from}, default-features = false, features = [\"dsl\"]", Toml(FACADE))
}

fn dependency_line(dependency: &Dependency) -> String {
    let mut line = source(dependency);
    if dependency.rename.is_some() {
        line = format!("package = {}, {line}", Toml(&dependency.name));
    }
    if !dependency.uses_default_features {
        line += ", default-features = false";
    }
    if !dependency.features.is_empty() {
        let features: Vec<String> = dependency.features.iter().map(|feature| Toml(feature).to_string()).collect();
        line = line + ", features = [" + &features.join(", ") + "]";
    }
    if dependency.optional {
        line += ", optional = true";
    }
    line
}

/// Where a dependency comes from: a folder, a git repository, a registry.
fn source(dependency: &Dependency) -> String {
    if let Some(path) = &dependency.path {
        return format!("path = {}", Toml(path.as_str()));
    }
    let version = format!("version = {}", Toml(&dependency.req.to_string()));
    if let Some(git) = dependency.source.as_ref().and_then(|source| source.repr.strip_prefix("git+")) {
        return git_source(git) + ", " + &version;
    }
    match &dependency.registry {
        Some(index) => format!("{version}, registry-index = {}", Toml(index)),
        None => version,
    }
}

/// `URL?rev=…`, `URL?branch=…` or `URL?tag=…`, as cargo writes a git source.
fn git_source(source: &str) -> String {
    let source = source.split_once('#').map_or(source, |(before, _)| before);
    let (url, query) = source.split_once('?').map_or((source, None), |(url, query)| (url, Some(query)));
    let mut line = format!("git = {}", Toml(url));
    if let Some((key @ ("rev" | "branch" | "tag"), value)) = query.and_then(|query| query.split_once('=')) {
        line = line + ", " + key + " = " + &Toml(&percent_decoded(value)).to_string();
    }
    line
}

/// Undoes `%2F` and the like; what is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text as a TOML basic string, which serves as a value and as a key.
pub struct Toml<'a>(pub &'a str);

impl fmt::Display for Toml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

fn write_if_changed(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Copies the workspace's lock file, so that the same versions are used and nothing is looked up.
///
/// Cargo then adapts the copy to the generated crate, so a second copy remembers what it was made from.
fn take_lock_file(workspace: &Path, folder: &Path) -> Result<(), Error> {
    let from = workspace.join("Cargo.lock");
    let text = match fs::read_to_string(&from) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Read { path: from, source }),
    };
    let made_from = folder.join("workspace.lock");
    if fs::read_to_string(&made_from).is_ok_and(|old| old == text) {
        return Ok(());
    }
    for path in [folder.join("Cargo.lock"), made_from] {
        fs::write(&path, &text).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    /// A dependency as `cargo metadata` prints it, with some fields changed.
    fn dependency(changes: Value) -> Dependency {
        let mut value = json!({"name": "one", "source": null, "req": "*", "kind": null, "rename": null, "optional": false,
            "uses_default_features": true, "features": [], "target": null, "registry": null, "path": null});
        let Value::Object(changes) = changes else { panic!("fields") };
        changes.into_iter().for_each(|(key, field)| value[key] = field);
        serde_json::from_value(value).unwrap()
    }

    fn home(dependencies: Vec<Dependency>, features: &[(&str, &[&str])]) -> Home {
        Home {
            root: "/w/p".into(),
            edition: "2024".into(),
            workspace: "/w".into(),
            target: "/w/target".into(),
            dependencies,
            facade: Facade::Itself("/w/crates/bpfasm".into()),
            features: features
                .iter()
                .map(|(name, enables)| ((*name).to_owned(), enables.iter().map(|&value| value.to_owned()).collect()))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn every_source_of_a_dependency_keeps_its_meaning() {
        let git = |query: &str| dependency(json!({"source": format!("git+https://h/r{query}")}));
        let rows = [
            (dependency(json!({"path": "/w/one", "req": "^1"})), r#"path = "/w/one""#),
            (dependency(json!({"req": "^1.2"})), r#"version = "^1.2""#),
            (dependency(json!({"registry": "https://h/i"})), r#"version = "*", registry-index = "https://h/i""#),
            (git(""), r#"git = "https://h/r", version = "*""#),
            (git("?rev=abc#abcdef"), r#"git = "https://h/r", rev = "abc", version = "*""#),
            (git("?branch=a%2Fb"), r#"git = "https://h/r", branch = "a/b", version = "*""#),
            (dependency(json!({"rename": "uno", "req": "=1"})), r#"package = "one", version = "=1""#),
            (
                dependency(json!({"uses_default_features": false, "features": ["a", "b/c"], "optional": true})),
                r#"version = "*", default-features = false, features = ["a", "b/c"], optional = true"#,
            ),
        ];
        for (dependency, line) in rows {
            assert_eq!(dependency_line(&dependency), line);
        }
    }

    #[test]
    fn the_manifest_names_the_facade_bpfasm_with_the_edsl_alone() {
        let facade = dependency(json!({"name": "bpfasm-rs", "rename": "bpf", "path": "/w/b", "features": ["loader"]}));
        assert_eq!(
            facade_line(&Facade::Dependency(Box::new(facade))),
            r#"package = "bpfasm-rs", path = "/w/b", default-features = false, features = ["dsl"]"#
        );
    }

    #[test]
    fn the_manifest_is_a_workspace_with_platforms_and_features() {
        let dependencies = vec![
            dependency(json!({"rename": "uno"})),
            dependency(json!({"name": "two", "target": "cfg(target_os = \"linux\")", "optional": true})),
        ];
        let features: &[(&str, &[&str])] =
            &[("default", &["fast"]), ("fast", &["dep:two", "uno/speed", "two?/speed", "bpfasm/loader", "dep:cc"])];
        let home = home(dependencies, features);
        let text = Manifest { package: "a-0", home: &home }.to_string();
        assert!(text.contains("\n[workspace]\n"));
        assert!(text.contains("\n[target.\"cfg(target_os = \\\"linux\\\")\".dependencies]\n\"two\" = {"));
        assert!(text.contains("\n\"fast\" = [\"dep:two\", \"uno/speed\", \"two?/speed\"]\n"), "{text}");
    }

    #[test]
    fn main_names_every_entry_with_its_place_and_cfgs() {
        let programs = [
            Found { modules: vec![], name: "a".into(), cfgs: vec![] },
            Found { modules: vec!["m".into()], name: "b".into(), cfgs: vec!["#[cfg(unix)]".into()] },
        ];
        let text = main_rs(&home(vec![], &[]), Path::new("/w/p/src/\"a\".rs"), &programs).unwrap();
        assert!(text.contains(r#"#[path = "/w/p/src/\"a\".rs"]"#));
        assert!(text.contains(r#"name: "src/\"a\".rs""#));
        assert!(text.contains("&program::__BPFASM_a,\n        #[cfg(unix)] &program::m::__BPFASM_b,\n"));
        assert!(syn::parse_file(&text).is_ok());
    }

    #[test]
    fn package_names_are_cargos_and_differ_by_folder() {
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c); // RFC 9923's own test vector
        let [one, other] = ["/a/1 x.rs", "/b/1 x.rs"].map(|path| package_name(Path::new(path)));
        assert!(one.starts_with("p1_x-") && one.is_ascii());
        assert_ne!(one, other);
    }

    #[test]
    fn toml_strings_escape_what_toml_wants_escaped() {
        assert_eq!(Toml("a\"b\\c\n\u{7f}é").to_string(), "\"a\\\"b\\\\c\\u000A\\u007Fé\"");
    }

    #[test]
    fn percent_escapes_are_undone_and_all_else_kept() {
        assert_eq!(percent_decoded("a%2fb%"), "a/b%");
        assert_eq!(percent_decoded("100%é%41"), "100%éA");
    }
}
