//! The package that a program file belongs to, as `cargo metadata` tells it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

use super::{Error, FACADE, cargo};

/// What the build driver needs to know about the package that a program file belongs to.
#[derive(Debug)]
pub struct Home {
    /// The folder of the package's manifest.
    pub root: PathBuf,
    /// The Rust edition the package is written in.
    pub edition: String,
    /// The folder of the workspace's manifest, where its lock file lies.
    pub workspace: PathBuf,
    /// Cargo's target folder for the workspace.
    pub target: PathBuf,
    /// The package's normal dependencies but for the facade.
    pub dependencies: Vec<Dependency>,
    /// The facade, as the package depends on it.
    pub facade: Facade,
    /// The package's features: name, what it enables.
    pub features: BTreeMap<String, Vec<String>>,
}

/// Where the facade comes from.
#[derive(Debug)]
pub enum Facade {
    /// A dependency of the package.
    Dependency(Box<Dependency>),
    /// The package is the facade itself, in this folder.
    Itself(PathBuf),
}

impl Home {
    /// Finds the package of `file`, which must be an absolute path.
    ///
    /// # Errors
    ///
    /// There is no manifest above the file, it is not a package's, cargo can't read it, or the package does not
    /// depend on the facade.
    pub fn of(file: &Path) -> Result<Self, Error> {
        let manifest = nearest_manifest(file).ok_or_else(|| Error::NoPackage { file: file.to_owned() })?;
        let metadata = MetadataCommand::parse(cargo::metadata(&manifest)?)
            .map_err(|source| Error::Metadata { manifest: manifest.clone(), source })?;
        Self::from_metadata(metadata, &manifest, file)
    }

    fn from_metadata(metadata: Metadata, manifest: &Path, file: &Path) -> Result<Self, Error> {
        let Metadata { packages, workspace_root, target_directory, .. } = metadata;
        let package = packages
            .into_iter()
            .find(|package| package.manifest_path == manifest)
            .ok_or_else(|| Error::VirtualManifest { file: file.to_owned(), manifest: manifest.to_owned() })?;
        let root = manifest.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self {
            facade: facade(&package, &root)?,
            edition: package.edition.to_string(),
            workspace: workspace_root.into(),
            target: target_directory.into(),
            features: package.features,
            dependencies: package
                .dependencies
                .into_iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal && dependency.name != FACADE)
                .collect(),
            root,
        })
    }
}

/// The manifest of the folder nearest to the file, upwards.
fn nearest_manifest(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).map(|folder| folder.join("Cargo.toml")).find(|manifest| manifest.is_file())
}

/// The package's dependency on the facade: a normal one if it has one, else whichever there is.
fn facade(package: &Package, root: &Path) -> Result<Facade, Error> {
    if package.name == FACADE {
        return Ok(Facade::Itself(root.to_owned()));
    }
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.name == FACADE)
        .min_by_key(|dependency| dependency.kind != DependencyKind::Normal)
        .map(|dependency| Facade::Dependency(Box::new(dependency.clone())))
        .ok_or_else(|| Error::NoFacade { manifest: root.join("Cargo.toml"), package: package.name.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata of one package `p` at /w/p, with the given dependencies, as cargo prints it.
    fn metadata(name: &str, dependencies: &str) -> Metadata {
        let text = format!(
            r#"{{"packages":[{{"name":"{name}","version":"0.1.0","id":"path+file:///w/p#0.1.0","source":null,
            "dependencies":[{dependencies}],"targets":[],"features":{{}},"manifest_path":"/w/p/Cargo.toml",
            "edition":"2024"}}],"workspace_members":[],"resolve":null,"target_directory":"/w/target","version":1,
            "workspace_root":"/w","metadata":null}}"#
        );
        MetadataCommand::parse(text).unwrap()
    }

    fn dependency(name: &str, kind: &str) -> String {
        format!(
            r#"{{"name":"{name}","source":null,"req":"*","kind":{kind},"rename":null,"optional":false,
            "uses_default_features":true,"features":[],"target":null,"registry":null,"path":"/w/{name}"}}"#
        )
    }

    fn home(name: &str, dependencies: &[String]) -> Result<Home, Error> {
        let metadata = metadata(name, &dependencies.join(","));
        Home::from_metadata(metadata, Path::new("/w/p/Cargo.toml"), Path::new("/w/p/a.rs"))
    }

    #[test]
    fn the_facade_is_found_among_the_dependencies_and_the_others_kept() {
        let home =
            home("p", &[dependency("bpfasm-rs", "null"), dependency("serde", "null"), dependency("t", "\"dev\"")]);
        let home = home.unwrap();
        assert!(matches!(home.facade, Facade::Dependency(found) if found.name == "bpfasm-rs"));
        assert_eq!(home.dependencies.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["serde"]);
        assert_eq!((home.workspace.as_path(), home.target.as_path()), (Path::new("/w"), Path::new("/w/target")));
    }

    #[test]
    fn a_dev_dependency_on_the_facade_will_do() {
        let home = home("p", &[dependency("bpfasm-rs", "\"dev\"")]).unwrap();
        assert!(matches!(home.facade, Facade::Dependency(_)));
    }

    #[test]
    fn the_facade_itself_is_a_home() {
        assert!(matches!(home("bpfasm-rs", &[]).unwrap().facade, Facade::Itself(root) if root == Path::new("/w/p")));
    }

    #[test]
    fn without_the_facade_the_error_names_package_and_manifest() {
        let error = home("p", &[dependency("serde", "null")]).unwrap_err();
        assert!(
            matches!(error, Error::NoFacade { package, manifest } if package == "p" && manifest == Path::new("/w/p/Cargo.toml"))
        );
    }

    #[test]
    fn a_manifest_without_a_package_is_told_apart() {
        let metadata = metadata("p", "");
        let error = Home::from_metadata(metadata, Path::new("/w/Cargo.toml"), Path::new("/w/a.rs")).unwrap_err();
        assert!(matches!(error, Error::VirtualManifest { .. }));
    }
}
