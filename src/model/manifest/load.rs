//! Reading files. The only place of this room that touches a disk.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Code, Diagnostic};

/// The name of standard input among paths.
pub const STDIN: &str = "-";

/// The largest file that is read. The objects in it are bounded to 1 MiB each.
const FILE_LIMIT: u64 = 64 << 20;

/// A file's text, not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As it was named on the command line, or found below a folder named there; `-` for standard input.
    pub file: String,
    pub text: String,
}

/// Why a path could not be read.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("failed to read {file}")]
    Read {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("failed to read {file}: it is larger than 64 MiB")]
    TooLarge { file: String },
    #[error("failed to find *.yaml, *.yml or *.json in {folder}")]
    EmptyFolder { folder: String },
}

impl LoadError {
    /// The same as a diagnostic about the file.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Self::Read { file, source } => {
                Diagnostic::about_file(Code::UNREADABLE, file, format!("failed to read: {source}"))
            }
            Self::TooLarge { file } => {
                Diagnostic::about_file(Code::UNREADABLE, file, "failed to read: larger than 64 MiB")
                    .with_hint("split it into several files")
            }
            Self::EmptyFolder { folder } => Diagnostic::about_file(
                Code::NO_DOCUMENTS,
                folder,
                "no *.yaml, *.yml or *.json below this folder",
            ),
        }
    }
}

/// Reads the texts of files, of folders (recursively, sorted by path: `*.yaml`, `*.yml`, `*.json`; hidden ones
/// are skipped) and of standard input (`-`). A file named itself is read whatever its ending.
pub fn load(paths: &[String]) -> Result<Vec<Text>, LoadError> {
    let mut texts = Vec::new();
    for path in paths {
        if path == STDIN {
            texts.push(text_of(STDIN, io::stdin().lock())?);
        } else if Path::new(path).is_dir() {
            let mut files = Vec::new();
            walk(Path::new(path), &mut files)?;
            if files.is_empty() {
                return Err(LoadError::EmptyFolder { folder: path.clone() });
            }
            for file in files {
                texts.push(open(&file)?);
            }
        } else {
            texts.push(open(Path::new(path))?);
        }
    }
    Ok(texts)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let failed = |source| LoadError::Read {
        file: folder.display().to_string(),
        source,
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A link to a folder is not followed: it could lead back up.
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        entries.push((entry.path(), is_folder));
    }
    entries.sort();
    for (path, is_folder) in entries {
        if is_folder {
            walk(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Text, LoadError> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|source| LoadError::Read {
        file: name.clone(),
        source,
    })?;
    text_of(&name, file)
}

fn text_of(file: &str, reader: impl Read) -> Result<Text, LoadError> {
    let mut text = String::new();
    let read = reader
        .take(FILE_LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(|source| LoadError::Read {
            file: file.to_owned(),
            source,
        })?;
    if read as u64 > FILE_LIMIT {
        return Err(LoadError::TooLarge {
            file: file.to_owned(),
        });
    }
    Ok(Text {
        file: file.to_owned(),
        text,
    })
}
