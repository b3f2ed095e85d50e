//! Who is asked before a wave: a small server that answers by script and keeps what it was asked.
//!
//! Invariant: one request a connection, and nothing but loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What comes back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    Status(u16),
    /// A redirect to the porter itself, which would then be asked for another path.
    Elsewhere(u16),
    /// Nothing at all, with the connection open.
    Nothing,
    /// The head of a good answer, and a body without an end.
    Endless,
    /// Something that is not HTTP.
    Noise,
}

/// A listening porter; dropping it ends it.
pub(crate) struct Porter {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    script: Vec<Said>,
    heads: Mutex<Vec<String>>,
    held: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

impl Porter {
    /// Says one thing after the other, and the last one for ever.
    pub(crate) fn saying(script: &[Said]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            script: script.to_vec(),
            heads: Mutex::default(),
            held: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.over.load(Ordering::SeqCst) {
                    return;
                }
                let own = Arc::clone(&own);
                std::thread::spawn(move || own.serve(stream, port));
            }
        });
        Self { port, shared }
    }

    /// Where it is asked.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/may-stop", self.port)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// How often it was asked so far.
    pub(crate) fn asked(&self) -> usize {
        self.shared.heads.lock().unwrap().len()
    }
}

impl Drop for Porter {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.held.lock().unwrap().clear();
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream, port: u16) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let number = {
            let mut heads = self.heads.lock().unwrap();
            heads.push(String::from_utf8(head).unwrap());
            heads.len() - 1
        };
        let last = self.script.len() - 1;
        let answer = match self.script[number.min(last)] {
            Said::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok"),
            Said::Elsewhere(status) => format!(
                "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:{port}/elsewhere\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
            ),
            Said::Endless => "HTTP/1.1 200 X\r\ncontent-length: 99999999999\r\n\r\nok".to_owned(),
            Said::Noise => "220 mail.example.com ESMTP\r\n".to_owned(),
            Said::Nothing => String::new(),
        };
        let _ = stream.write_all(answer.as_bytes());
        if matches!(self.script[number.min(last)], Said::Nothing | Said::Endless) {
            self.held.lock().unwrap().push(stream);
        }
    }
}
