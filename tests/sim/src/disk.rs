//! Disks of processes: a crash keeps what was written, and worse things happen. A new process gets a copy of the files, as
//! a machine that comes up again does: with SQLite's log beside the database, and without its shared memory.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::dice::Dice;

/// Where files are as fast as memory, since every run writes and syncs hundreds of times; else the place for such files.
pub fn folder() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(folder) => Ok(folder),
        Err(_) => tempfile::tempdir(),
    }
}

/// SQLite's.
const PAGE: u64 = 4096;

#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    name: String,
    boots: u32,
    /// what stops writing while there is no room
    full: Vec<String>,
}

impl Disk {
    pub fn new(folder: &Path, name: String) -> Self {
        Self { folder: folder.into(), name, boots: 0, full: Vec::new() }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join(format!("{}-{}", self.name, self.boots))
    }

    fn log_of(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push("-wal");
        name.into()
    }

    /// What the process before left, for the next one.
    pub fn reboot(&mut self) {
        let old = self.file();
        self.boots += 1;
        for (from, to) in [(old.clone(), self.file()), (Self::log_of(&old), Self::log_of(&self.file()))] {
            if from.exists() {
                std::fs::copy(from, to).expect("room for a copy");
            }
        }
    }

    pub fn lose(&mut self) {
        self.boots += 1;
        // what was read of a Bitcoin chain, and what was sent there
        for file in ["index", "headers"] {
            let _ = std::fs::remove_file(self.beside(file));
        }
        let _ = std::fs::remove_dir_all(self.beside("sent"));
    }

    fn beside(&self, file: &str) -> PathBuf {
        self.folder.join(format!("{}.{file}", self.name))
    }

    /// The end of the log or of the database never came to the disk, or a page of it is empty, or holds anything.
    pub fn tear(&mut self, dice: &mut Dice) {
        self.reboot();
        let (file, log) = (self.file(), Self::log_of(&self.file()));
        let index = self.beside("index");
        let torn = match dice.number(0..4) {
            0 | 1 if log.exists() => log,
            2 if index.exists() => index,
            _ => file,
        };
        let Ok(length) = std::fs::metadata(&torn).map(|meta| meta.len()) else { return };
        let file = std::fs::OpenOptions::new().write(true).open(torn).expect("a file of ours");
        let page = dice.number(0..length / PAGE + 1) * PAGE;
        match dice.number(0..3) {
            0 => file.set_len(dice.number(0..length + 1)),
            1 => file.write_all_at(&[0; PAGE as usize], page),
            _ => file.write_all_at(&dice.bytes().repeat(PAGE as usize / 32), page),
        }
        .expect("room for a page");
    }

    /// From now on nothing can be written to these tables, until there is room again.
    pub fn fill(&mut self, tables: &[&'static str]) {
        for (table, change) in tables.iter().flat_map(|table| [(table, "INSERT"), (table, "UPDATE")]) {
            self.run(&format!(
                "CREATE TRIGGER full_{table}_{change} BEFORE {change} ON {table}
                 BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            ));
            self.full.push(format!("full_{table}_{change}"));
        }
    }

    pub fn empty(&mut self) {
        for trigger in std::mem::take(&mut self.full) {
            self.run(&format!("DROP TRIGGER {trigger}"));
        }
    }

    fn run(&self, sql: &str) {
        let database = Connection::open(self.file()).expect("a database of ours");
        database.execute_batch(sql).expect("a database that is whole");
    }
}
