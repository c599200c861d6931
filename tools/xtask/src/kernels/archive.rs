//! Debian's archive, asked through an apt of its own: the system's sources and lists are left alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chore::{command, output, run};
use crate::error::Error;
use crate::scratch::{files, make};

/// The kernel's package, which only depends on the one with the version in its name.
const META: &str = "linux-image-cloud-amd64";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One suite of the archive.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Fetches the lists of a suite into a folder.
    ///
    /// # Errors
    ///
    /// There is no apt, it has no Debian archive among its sources, or the archive is not to be had.
    pub fn open(folder: &Path, suite: &str) -> Result<Self, Error> {
        let site = site()?;
        make(&folder.join("lists/partial"))?;
        make(&folder.join("cache/archives/partial"))?;
        let path = folder.join("sources.list");
        std::fs::write(&path, format!("deb [signed-by={KEYRING}] {site} {suite} main\n"))
            .map_err(|source| Error::File { path, source })?;
        let archive = Self { folder: folder.to_owned() };
        run(archive.apt("apt-get").args(["-q=2", "-oAPT::Update::Error-Mode=any", "update"]))?;
        Ok(archive)
    }

    /// Downloads the newest kernel and unpacks it into `root`.
    ///
    /// # Errors
    ///
    /// The suite has none, or a command fails.
    pub fn unpack_kernel(&self, root: &Path) -> Result<(), Error> {
        let versions = output(self.apt("apt-cache").args(["madison", META]))?;
        let version = newest(&versions).ok_or(Error::NoPackage { package: META.to_owned() })?;
        let image =
            self.depends(&format!("{META}={version}"))?.into_iter().find(|name| name.starts_with("linux-image-"));
        let image = image.ok_or(Error::NoPackage { package: "linux-image-*".to_owned() })?;
        // Where the image has no files itself, these have them.
        let mut parts = self.depends(&image)?;
        parts.retain(|name| ["linux-binary-", "linux-modules-"].iter().any(|prefix| name.starts_with(prefix)));
        let packages = if parts.is_empty() { vec![image] } else { parts };
        run(self.apt("apt-get").args(["-q=2", "download"]).args(&packages).current_dir(&self.folder))?;
        for package in files(&self.folder)?.iter().filter(|file| file.extension().is_some_and(|end| end == "deb")) {
            run(command("dpkg").arg("-x").args([package.as_path(), root]))?;
        }
        Ok(())
    }

    fn depends(&self, package: &str) -> Result<Vec<String>, Error> {
        output(self.apt("apt-cache").args(["show", package])).map(|text| depends(&text))
    }

    /// A command of apt that knows this suite only.
    fn apt(&self, program: &str) -> Command {
        let at = |option: &str, path: &str| format!("-oDir::{option}={}", self.folder.join(path).display());
        let mut apt = command(program);
        apt.arg(at("Etc::SourceList", "sources.list"))
            .args([at("State::Lists", "lists"), at("Cache", "cache")])
            .args(["-oDir::Etc::SourceParts=/dev/null", "-oAcquire::Languages=none", "-oAPT::Sandbox::User=root"]);
        apt
    }
}

/// Where the archive is, by the system's own sources.
fn site() -> Result<String, Error> {
    let sites = output(command("apt-get").args(["indextargets", "--format", "$(SITE)", "Created-By: Packages"]))?;
    archive(&sites).map(str::to_owned).ok_or(Error::NoArchive)
}

/// The main archive among sites, one a line.
fn archive(sites: &str) -> Option<&str> {
    sites.lines().find(|site| site.trim_end_matches('/').ends_with("/debian"))
}

/// The first version in `apt-cache madison`'s table, which begins with the newest.
fn newest(table: &str) -> Option<&str> {
    table.lines().next()?.split('|').nth(1).map(str::trim)
}

/// The packages that the first paragraph of `apt-cache show` says it depends on, without their versions.
fn depends(shown: &str) -> Vec<String> {
    let names = shown.lines().find_map(|line| line.strip_prefix("Depends:")).unwrap_or_default();
    names.split([',', '|']).filter_map(|name| name.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_archive_is_found_among_the_sites() {
        let sites = "http://security.debian.org/debian-security\nhttp://deb.debian.org/debian\nhttps://else.where/x\n";
        assert_eq!(archive(sites), Some("http://deb.debian.org/debian"));
        assert_eq!(archive("http://archive.ubuntu.com/ubuntu\n"), None);
    }

    #[test]
    fn apt_s_answers_are_taken_apart() {
        let table = " linux-image-cloud-amd64 | 6.1.176-1 | http://deb.debian.org/debian bookworm/main amd64 Packages\n\
                      linux-image-cloud-amd64 | 6.1.170-3 | http://deb.debian.org/debian bookworm/main amd64 Packages\n";
        assert_eq!(newest(table), Some("6.1.176-1"));
        assert_eq!(newest(""), None);
        let shown =
            "Package: a\nPre-Depends: x\nDepends: linux-image-6.1.0-9 (= 6.1.176-1), kmod | b, c\n\nDepends: d\n";
        assert_eq!(depends(shown), ["linux-image-6.1.0-9", "kmod", "b", "c"]);
        assert_eq!(depends("Package: a\n"), [""; 0]);
    }
}
