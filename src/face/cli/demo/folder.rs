//! The folder of a demo: what leads to its API servers, and what it applies.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::face::cli::failure::Failure;
use crate::model::manifest::Code;

/// The name of a file in the demo's folder, and what it holds: a file of this project.
macro_rules! carried {
    ($($name:literal from $file:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../", $file)))),+]
    };
}

/// What is applied, as files that a person can change and apply again.
const FILES: &[(&str, &str)] = carried![
    "policies/blog/everywhere.yaml" from "policies/blog/everywhere.yaml",
    "policies/blog/tenant.yaml" from "policies/blog/tenant.yaml",
    "policies/shop/everywhere.yaml" from "policies/shop/everywhere.yaml",
    "policies/shop/payments.yaml" from "policies/shop/payments.yaml",
    "policies/shop/tenant.yaml" from "policies/shop/tenant.yaml",
    "blog/blog.yaml" from "examples/blog/blog.yaml",
    "shop/cart.yaml" from "examples/shop/cart.yaml",
    "shop/catalog.yaml" from "examples/shop/catalog.yaml",
    "shop/payments.yaml" from "examples/shop/payments.yaml",
    "shop/web.yaml" from "examples/shop/web.yaml",
];

/// Files and folders that were made here, and nothing else: they go when this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Folder {
    /// Makes it, with what is applied in it. One that is there may be used if nothing in it would be overwritten.
    pub(super) fn make(wanted: Option<&Path>, members: u8) -> Result<Self, Failure> {
        let path = match wanted {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("hanse-demo-{}", std::process::id())),
        };
        let mut folder = Self {
            path: path.clone(),
            files: Vec::new(),
            folders: Vec::new(),
        };
        folder.make_all(&path).map_err(|error| refused(&path, &error))?;
        folder.path = path.canonicalize().map_err(|error| refused(&path, &error))?;
        let clusters = (1..=members).map(|number| format!("member-{number}"));
        for cluster in std::iter::once("hub".to_owned()).chain(clusters) {
            let file = folder.path.join(format!("{cluster}.kubeconfig"));
            if fs::symlink_metadata(&file).is_ok() {
                return Err(refused(&file, &io::ErrorKind::AlreadyExists.into()));
            }
        }
        for (name, text) in FILES {
            folder.write(name, text)?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file that only its owner reads: it may hold a token.
    pub(super) fn write(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let file = self.path.join(name);
        let write = |folder: &mut Self| {
            if let Some(parent) = file.parent() {
                folder.make_all(parent)?;
            }
            let mut open = fs::OpenOptions::new();
            let mut made = open.write(true).create_new(true).mode(0o600).open(&file)?;
            folder.files.push(file.clone());
            made.write_all(text.as_bytes())
        };
        write(self).map_err(|error| refused(&file, &error))
    }

    /// Makes a folder and those it is in, and remembers which were not there.
    fn make_all(&mut self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|one| !one.as_os_str().is_empty() && !one.exists())
            .collect();
        for one in missing.into_iter().rev() {
            fs::DirBuilder::new().mode(0o700).create(one)?;
            self.folders.push(std::path::absolute(one)?);
        }
        if path.is_dir() {
            Ok(())
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for file in &self.files {
            drop(fs::remove_file(file));
        }
        // What somebody else put into one keeps it.
        for folder in self.folders.iter().rev() {
            drop(fs::remove_dir(folder));
        }
    }
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "the demo overwrites nothing: another one may run in that folder, or have been killed there; delete it, or choose another with --dir"
        }
        _ => "choose a folder that you may write to with --dir, or leave it away",
    };
    Failure::new(
        Code::SYSTEM,
        format!("failed to write {}: {error}", path.display()),
    )
    .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_folder_goes_with_all_that_was_made_and_nothing_else() {
        let above = tempfile::tempdir().unwrap();
        fs::write(above.path().join("mine"), "").unwrap();
        let mut folder = Folder::make(Some(&above.path().join("a/b")), 3).unwrap();
        folder.write("hub.kubeconfig", "x").unwrap();
        assert!(folder.path().join("shop/web.yaml").is_file());
        drop(folder);
        assert_eq!(names(above.path()), ["mine".to_owned()].into());
    }

    #[test]
    fn a_file_that_was_there_is_not_overwritten_and_nothing_is_left_behind() {
        let above = tempfile::tempdir().unwrap();
        let mine = above.path().join("member-2.kubeconfig");
        fs::write(&mine, "mine").unwrap();
        let failure = Folder::make(Some(above.path()), 3).unwrap_err();
        assert!(
            failure.words().contains("member-2.kubeconfig"),
            "{}",
            failure.words()
        );
        assert_eq!(names(above.path()), ["member-2.kubeconfig".to_owned()].into());
        assert_eq!(fs::read_to_string(mine).unwrap(), "mine");
    }

    #[test]
    fn a_file_is_no_folder() {
        let above = tempfile::tempdir().unwrap();
        let file = above.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let failure = Folder::make(Some(&path), 3).unwrap_err();
            assert_eq!(failure.diagnostics[0].code, Code::SYSTEM);
        }
        assert_eq!(names(above.path()), ["file".to_owned()].into());
    }

    #[test]
    fn every_file_of_the_tenants_is_in_the_demo() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (name, from) in [
            ("policies/blog", "policies/blog"),
            ("policies/shop", "policies/shop"),
            ("blog", "examples/blog"),
            ("shop", "examples/shop"),
        ] {
            let carried = FILES
                .iter()
                .filter_map(|(file, _)| file.strip_prefix(&format!("{name}/")));
            let carried: BTreeSet<String> = carried.map(str::to_owned).collect();
            assert_eq!(carried, names(&root.join(from)), "{from}");
        }
    }
}
