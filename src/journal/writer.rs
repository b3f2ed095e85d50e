//! Appending to a journal, on a thread of its own.
//!
//! Owns the open file. What is handed over while a sync is under way travels together in the next
//! line, so many batches share few syncs. Invariant: lines are written in the order of handing over;
//! after the first failed write or sync nothing is written any more, and every receipt says so.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::crash::CrashPoint;
use super::line::encode;
use super::replay::Replayed;
use crate::event::Stamped;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    entries: Option<mpsc::Sender<Entry>>,
    failed: Arc<AtomicBool>,
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

impl Journal {
    /// Starts a journal in a file that must not exist yet.
    pub fn create(path: &Path, crash: Option<CrashPoint>) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Self::start(Writer {
            file,
            seq: 0,
            crash,
        })
    }

    /// Goes on with a journal that was read back; cuts off its torn end first.
    pub fn reopen(path: &Path, replayed: &Replayed, crash: Option<CrashPoint>) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(replayed.whole)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        Self::start(Writer {
            file,
            seq: replayed.next_seq,
            crash,
        })
    }

    fn start(mut writer: Writer) -> io::Result<Self> {
        let (entries, waiting) = mpsc::channel();
        let failed = Arc::new(AtomicBool::new(false));
        let failure = Arc::clone(&failed);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.work(&waiting, &failure))?;
        Ok(Self {
            entries: Some(entries),
            failed,
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
    crash: Option<CrashPoint>,
}

impl Writer {
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
                true
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be written: nothing more is sent");
                false
            }
        }
    }

    fn append(&mut self, events: &[Stamped]) -> io::Result<()> {
        let line = encode(self.seq, events)?;
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other("the file was removed"));
        }
        Ok(())
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
        let journal = Journal::create(&path, None).unwrap();
        for second in 0..3 {
            assert!(journal.append(vec![stamped(second)]).durable().await);
        }
        let replayed = replay(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(replayed.events, [stamped(0), stamped(1), stamped(2)]);
    }

    #[tokio::test]
    async fn a_torn_end_is_cut_off_before_the_first_append() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        drop(
            Journal::create(&path, None)
                .unwrap()
                .append(vec![stamped(0)]),
        );
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"sum\":\"torn");
        std::fs::write(&path, &bytes).unwrap();
        let replayed = replay(&bytes).unwrap();
        let journal = Journal::reopen(&path, &replayed, None).unwrap();
        assert!(journal.append(vec![stamped(1)]).durable().await);
        let again = replay(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(again.events, [stamped(0), stamped(1)]);
    }

    #[tokio::test]
    async fn after_a_failure_nothing_is_written_any_more() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let journal = Journal::start(Writer {
            file: full,
            seq: 0,
            crash: None,
        })
        .unwrap();
        assert!(!journal.append(vec![stamped(0)]).durable().await);
        assert!(journal.has_failed());
        assert!(!journal.append(vec![stamped(1)]).durable().await);
    }

    #[tokio::test]
    async fn a_journal_that_nobody_can_find_again_has_failed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Journal::create(&path, None).unwrap();
        assert!(journal.append(vec![stamped(0)]).durable().await);
        std::fs::remove_file(&path).unwrap();
        assert!(!journal.append(vec![stamped(1)]).durable().await);
        assert!(journal.has_failed());
    }

    #[test]
    fn a_journal_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        drop(Journal::create(&path, None).unwrap());
        let error = Journal::create(&path, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }
}
