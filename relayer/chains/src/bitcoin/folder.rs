//! Records that must outlive this process: a folder beside the index, one file each, written whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::Serialize;

pub struct Folder<T> {
    path: PathBuf,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Folder<T> {
    /// `bitcoin.json` has `bitcoin.sent/` beside it.
    pub fn beside(index: &Path, what: &str) -> Self {
        Self { path: index.with_extension(what), of: PhantomData }
    }

    pub fn get(&self, name: &str) -> io::Result<Option<T>> {
        match std::fs::read(self.file(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One that cannot be read is said and left out.
    pub fn all(&self) -> io::Result<Vec<T>> {
        let entries = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                match serde_json::from_slice(&std::fs::read(&path)?) {
                    Ok(record) => all.push(record),
                    Err(error) => tracing::warn!(file = %path.display(), %error, "not read; move it away"),
                }
            }
        }
        Ok(all)
    }

    /// Survives the end of this process.
    pub fn put(&self, name: &str, record: &T) -> io::Result<()> {
        self.write(name, record, |_| Ok(()))
    }

    /// Survives a loss of power too, once it returns.
    pub fn put_synced(&self, name: &str, record: &T) -> io::Result<()> {
        self.write(name, record, File::sync_all)?;
        File::open(&self.path)?.sync_all()
    }

    fn write(&self, name: &str, record: &T, done: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
        std::fs::create_dir_all(&self.path)?;
        let file = self.file(name);
        let beside = file.with_extension("new");
        let mut new = File::create(&beside)?;
        new.write_all(&serde_json::to_vec(record)?)?;
        done(&new)?;
        std::fs::rename(&beside, &file)
    }

    pub fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.json"))
    }
}
