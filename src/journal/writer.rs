//! Appending to a journal, on a thread of its own.
//!
//! Owns the open file. What is handed over while a sync is under way travels together in the next
//! line, so many batches share few syncs. Invariant: lines are written in the order of handing over;
//! after the first failed write or sync, and once the lock or the journal's own path was lost, nothing is
//! written any more, and every receipt says so.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::crash::CrashPoint;
use super::held::{HeldFile, Lost};
use super::line::{Names, encode};
use super::replay::Replayed;
use crate::event::Stamped;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    entries: Option<mpsc::Sender<Entry>>,
    failed: Arc<AtomicBool>,
    custody: Arc<Custody>,
    thread: Option<JoinHandle<()>>,
}

/// Tells whether events became durable.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<bool>);

impl Receipt {
    /// Waits until the events are durable; `false` if they never will be.
    pub async fn durable(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

#[derive(Debug)]
struct Entry {
    events: Vec<Stamped>,
    done: oneshot::Sender<bool>,
}

/// What a journal depends on, beside its own file.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The lock without which nothing may be written; none in a rehearsal.
    pub lock: Option<HeldFile>,
    /// Where a test wants the process to die.
    pub crash: Option<CrashPoint>,
    /// The file that says that the run has recorded nothing yet. It is removed with the first record.
    pub starting: Option<PathBuf>,
}

/// The files that must stay where they are while a journal is written.
#[derive(Debug)]
struct Custody {
    lock: Option<HeldFile>,
    journal: HeldFile,
    lost: OnceLock<Lost>,
}

impl Custody {
    /// What was lost, if anything was; looked at now.
    fn lost(&self) -> Option<&Lost> {
        if self.lost.get().is_none() {
            let lock = self.lock.as_ref().filter(|lock| !lock.is_in_place());
            if let Some(lock) = lock {
                return Some(self.lose(Lost::Lock(lock.path().to_owned())));
            }
            if !self.journal.is_in_place() {
                return Some(self.lose(self.journal_lost()));
            }
        }
        self.lost.get()
    }

    fn lose(&self, lost: Lost) -> &Lost {
        self.lost.get_or_init(|| lost)
    }

    fn journal_lost(&self) -> Lost {
        Lost::Journal(self.journal.path().to_owned())
    }
}

impl Journal {
    /// Starts a journal in a file that must not exist yet.
    pub fn create(path: &Path, terms: Terms) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Self::start(Writer::new(path, file, (0, 0), terms)?)
    }

    /// Goes on with a journal that was read back; cuts off its torn end first.
    pub fn reopen(path: &Path, replayed: &Replayed, terms: Terms) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        if file.metadata()?.len() < replayed.whole {
            return Err(io::Error::other("the file was truncated"));
        }
        file.set_len(replayed.whole)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        let end = (replayed.next_seq, replayed.whole);
        Self::start(Writer::new(path, file, end, terms)?)
    }

    fn start(mut writer: Writer) -> io::Result<Self> {
        let (entries, waiting) = mpsc::channel();
        let failed = Arc::new(AtomicBool::new(false));
        let failure = Arc::clone(&failed);
        let custody = Arc::clone(&writer.custody);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.work(&waiting, &failure))?;
        Ok(Self {
            entries: Some(entries),
            failed,
            custody,
            thread: Some(thread),
        })
    }

    /// Hands events over; they are written in the order of these calls.
    pub fn append(&self, events: Vec<Stamped>) -> Receipt {
        let (done, receipt) = oneshot::channel();
        if let Some(entries) = &self.entries {
            // A writer that is gone drops `done`, which the receipt understands.
            let _ = entries.send(Entry { events, done });
        }
        Receipt(receipt)
    }

    /// Whether something could not be written.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// What the run no longer has, if anything; looked at now. From then on nothing is written.
    pub fn lost(&self) -> Option<&Lost> {
        let lost = self.custody.lost()?;
        self.failed.store(true, Ordering::Release);
        Some(lost)
    }
}

impl Drop for Journal {
    /// Waits until all that was handed over is written.
    fn drop(&mut self) {
        self.entries = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    file: File,
    seq: u64,
    names: Names,
    /// How long the file is if no other process writes to it, in bytes.
    length: u64,
    custody: Arc<Custody>,
    crash: Option<CrashPoint>,
    starting: Option<PathBuf>,
}

impl Writer {
    /// Writes behind `length` bytes, from line `seq` on.
    fn new(path: &Path, file: File, (seq, length): (u64, u64), terms: Terms) -> io::Result<Self> {
        let Terms {
            lock,
            crash,
            starting,
        } = terms;
        let custody = Custody {
            lock,
            journal: HeldFile::of(path, &file)?,
            lost: OnceLock::new(),
        };
        Ok(Self {
            file,
            seq,
            names: Names::Format,
            length,
            custody: Arc::new(custody),
            crash,
            starting,
        })
    }

    fn work(&mut self, waiting: &mpsc::Receiver<Entry>, failed: &AtomicBool) {
        while let Ok(first) = waiting.recv() {
            let mut events = first.events;
            let mut done = vec![first.done];
            while let Ok(next) = waiting.try_recv() {
                events.extend(next.events);
                done.push(next.done);
            }
            let durable = !failed.load(Ordering::Acquire) && self.write(&events);
            if !durable {
                failed.store(true, Ordering::Release);
            }
            // Who no longer waits for its receipt does not need it.
            for receipt in done {
                let _ = receipt.send(durable);
            }
        }
    }

    fn write(&mut self, events: &[Stamped]) -> bool {
        CrashPoint::die_if_before(self.crash, self.seq);
        match self.append(events) {
            Ok(()) => {
                CrashPoint::die_if_after(self.crash, self.seq, events);
                self.seq += 1;
                self.names = Names::Nothing;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be written: nothing more is sent");
                false
            }
        }
    }

    fn append(&mut self, events: &[Stamped]) -> io::Result<()> {
        let line = encode(self.seq, self.names, events)?;
        self.check_custody()?;
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        self.length += line.len() as u64;
        if let Some(starting) = self.starting.take() {
            remove(&starting)?;
        }
        // What another process has written to meanwhile is not durable, as it cannot be read back.
        self.check_custody()
    }

    /// That lock and journal are in place, and no other process has written to the journal.
    fn check_custody(&self) -> io::Result<()> {
        let mut lost = self.custody.lost();
        if lost.is_none() && self.file.metadata()?.len() != self.length {
            lost = Some(self.custody.lose(self.custody.journal_lost()));
        }
        lost.map_or(Ok(()), |lost| Err(io::Error::other(lost.clone())))
    }
}

/// Removes a file durably, if it exists.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => path
            .parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay::replay;
    use super::*;
    use crate::event::Event;

    fn stamped(second: i64) -> Stamped {
        Stamped {
            at: jiff::Timestamp::from_second(second).unwrap(),
            event: Event::Finished,
        }
    }

    #[tokio::test]
    async fn what_a_receipt_calls_durable_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Journal::create(&path, Terms::default()).unwrap();
        for second in 0..3 {
            assert!(journal.append(vec![stamped(second)]).durable().await);
        }
        let replayed = replay(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(replayed.events, [stamped(0), stamped(1), stamped(2)]);
    }

    #[tokio::test]
    async fn each_process_names_the_format_in_its_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Journal::create(&path, Terms::default()).unwrap();
        for second in 0..2 {
            assert!(journal.append(vec![stamped(second)]).durable().await);
        }
        drop(journal);
        let replayed = replay(&std::fs::read(&path).unwrap()).unwrap();
        let journal = Journal::reopen(&path, &replayed, Terms::default()).unwrap();
        assert!(journal.append(vec![stamped(2)]).durable().await);
        let text = std::fs::read_to_string(&path).unwrap();
        let named: Vec<bool> = text
            .lines()
            .map(|line| line.contains("lightsout/journal/v2"))
            .collect();
        assert_eq!(named, [true, false, true]);
    }

    #[tokio::test]
    async fn a_torn_end_is_cut_off_before_the_first_append() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        drop(
            Journal::create(&path, Terms::default())
                .unwrap()
                .append(vec![stamped(0)]),
        );
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"sum\":\"torn");
        std::fs::write(&path, &bytes).unwrap();
        let replayed = replay(&bytes).unwrap();
        let journal = Journal::reopen(&path, &replayed, Terms::default()).unwrap();
        assert!(journal.append(vec![stamped(1)]).durable().await);
        let again = replay(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(again.events, [stamped(0), stamped(1)]);
    }

    #[tokio::test]
    async fn after_a_failure_nothing_is_written_any_more() {
        let path = Path::new("/dev/full");
        let full = OpenOptions::new().write(true).open(path).unwrap();
        let writer = Writer::new(path, full, (0, 0), Terms::default()).unwrap();
        let journal = Journal::start(writer).unwrap();
        assert!(!journal.append(vec![stamped(0)]).durable().await);
        assert!(journal.has_failed());
        assert!(!journal.append(vec![stamped(1)]).durable().await);
    }

    /// A journal with one line, and what it depends on.
    struct Kept {
        journal: Journal,
        path: PathBuf,
        lock: PathBuf,
        /// Held open as a run does: the inode number of a file that is not open is given to the next one.
        _lock: File,
        _folder: tempfile::TempDir,
    }

    async fn kept() -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (path, lock) = (at("journal.jsonl"), at("lock"));
        let file = File::create(&lock).unwrap();
        let terms = Terms {
            lock: Some(HeldFile::of(&lock, &file).unwrap()),
            ..Terms::default()
        };
        let journal = Journal::create(&path, terms).unwrap();
        assert!(journal.append(vec![stamped(0)]).durable().await);
        assert_eq!(journal.lost(), None);
        Kept {
            journal,
            path,
            lock,
            _lock: file,
            _folder: folder,
        }
    }

    impl Kept {
        /// That nothing is appended any more, because this was lost.
        async fn has_lost(&self, lost: Lost) {
            let before = std::fs::read(&self.path).ok();
            assert!(!self.journal.append(vec![stamped(1)]).durable().await);
            assert!(self.journal.has_failed());
            assert_eq!(self.journal.lost(), Some(&lost));
            assert_eq!(std::fs::read(&self.path).ok(), before);
        }
    }

    #[tokio::test]
    async fn a_journal_that_was_removed_replaced_or_changed_is_not_written_any_more() {
        let changes: [fn(&Path); 4] = [
            |path| std::fs::remove_file(path).unwrap(),
            |path| {
                let copy = path.with_extension("copy");
                std::fs::copy(path, &copy).unwrap();
                std::fs::rename(copy, path).unwrap();
            },
            |path| {
                let file = OpenOptions::new().write(true).open(path);
                file.unwrap().set_len(0).unwrap();
            },
            |path| {
                let mut other = OpenOptions::new().append(true).open(path).unwrap();
                other.write_all(b"{}\n").unwrap();
            },
        ];
        for change in changes {
            let kept = kept().await;
            change(&kept.path);
            kept.has_lost(Lost::Journal(kept.path.clone())).await;
        }
    }

    #[tokio::test]
    async fn without_its_lock_a_journal_is_not_written_any_more() {
        let kept = kept().await;
        std::fs::remove_file(&kept.lock).unwrap();
        // Another process can take a lock of the same name.
        File::create(&kept.lock).unwrap();
        kept.has_lost(Lost::Lock(kept.lock.clone())).await;
    }

    #[tokio::test]
    async fn a_loss_is_noticed_without_an_append() {
        let kept = kept().await;
        std::fs::remove_file(&kept.lock).unwrap();
        let lost = Lost::Lock(kept.lock.clone());
        assert_eq!(kept.journal.lost(), Some(&lost));
        assert!(kept.journal.has_failed());
    }

    #[tokio::test]
    async fn the_first_record_of_each_process_removes_the_starting_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let starting = folder.path().join("starting");
        let terms = || Terms {
            starting: Some(starting.clone()),
            ..Terms::default()
        };
        File::create(&starting).unwrap();
        let journal = Journal::create(&path, terms()).unwrap();
        assert!(starting.exists());
        assert!(journal.append(vec![stamped(0)]).durable().await);
        assert!(!starting.exists());
        drop(journal);
        // A crash between the first record and the removal leaves both.
        File::create(&starting).unwrap();
        let replayed = replay(&std::fs::read(&path).unwrap()).unwrap();
        let journal = Journal::reopen(&path, &replayed, terms()).unwrap();
        assert!(journal.append(vec![stamped(1)]).durable().await);
        assert!(!starting.exists());
    }

    #[tokio::test]
    async fn a_starting_file_that_cannot_be_removed_fails_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        // Not even root removes a folder as a file.
        let terms = Terms {
            starting: Some(folder.path().to_owned()),
            ..Terms::default()
        };
        let journal = Journal::create(&path, terms).unwrap();
        assert!(!journal.append(vec![stamped(0)]).durable().await);
        assert!(journal.has_failed());
    }

    #[test]
    fn a_journal_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        drop(Journal::create(&path, Terms::default()).unwrap());
        let error = Journal::create(&path, Terms::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }
}
