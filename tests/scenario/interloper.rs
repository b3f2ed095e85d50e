//! Somebody between the program and the cloud: passes requests on, or mistreats chosen ones.
//!
//! Works on bytes, so what the program signed arrives as it was signed. Every request is kept. Invariant:
//! one request a connection, and nothing but loopback.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Which call of the API a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    List,
    Stop,
    Job,
    Show,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) call: Call,
    /// Its number among its kind, from 0.
    pub(crate) number: usize,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a header, of which there must be one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut pairs = lines.filter_map(|line| line.split_once(':'));
        pairs
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// What is done to a request.
#[derive(Debug, Clone)]
pub(crate) enum Treatment {
    /// The cloud gets it, and its answer comes back.
    Pass,
    /// Another cloud gets it.
    PassTo(SocketAddr),
    /// The cloud never gets it.
    Instead(Mischief),
    /// The cloud gets it, and its answer is replaced.
    Afterwards(Mischief),
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) enum Mischief {
    /// The connection is closed without a word.
    Close,
    /// Nothing at all, with the connection open.
    Hang,
    /// These bytes, then the connection is closed.
    Answer(Vec<u8>),
}

/// Decides on the treatment of a request.
pub(crate) type Rule = Box<dyn Fn(&Request) -> Treatment + Send + Sync>;

/// Treats all requests of one kind alike, and passes the others.
pub(crate) fn always(call: Call, treatment: Treatment) -> Rule {
    Box::new(move |request| match request.call == call {
        true => treatment.clone(),
        false => Treatment::Pass,
    })
}

/// Treats the first request of a kind, and passes the others.
pub(crate) fn first(call: Call, treatment: Treatment) -> Rule {
    Box::new(
        move |request| match (request.call == call, request.number) {
            (true, 0) => treatment.clone(),
            _ => Treatment::Pass,
        },
    )
}

/// An answer with a body, put together by hand.
pub(crate) fn answer(status: &str, media: &str, body: impl AsRef<[u8]>) -> Mischief {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    Mischief::Answer([head.as_bytes(), body].concat())
}

/// The part of an answer that comes before the connection breaks.
pub(crate) fn half_body() -> Mischief {
    let text = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"job_id\": \"70a599";
    Mischief::Answer(text.into())
}

/// A listening interloper; dropping it ends it.
pub(crate) struct Interloper {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behind: Option<SocketAddr>,
    rule: Rule,
    seen: Mutex<Vec<Request>>,
    held: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

impl Interloper {
    /// Listens on a free port; what it passes on goes to `behind`.
    pub(crate) fn start(behind: Option<SocketAddr>, rule: Rule) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behind,
            rule,
            seen: Mutex::default(),
            held: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let listening = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if listening.over.load(Ordering::Relaxed) {
                    break;
                }
                let shared = listening.clone();
                // A connection that breaks is the program's to notice.
                std::thread::spawn(move || shared.treat(client));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests of one kind so far, in order of arrival.
    pub(crate) fn seen(&self, call: Call) -> Vec<Request> {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter()
            .filter(|request| request.call == call)
            .cloned()
            .collect()
    }
}

impl Drop for Interloper {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.held.lock().unwrap().clear();
        // Wakes the listener up.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn treat(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        let Some((head, body)) = read_request(&mut client)? else {
            return Ok(());
        };
        let request = self.note(head, body);
        match (self.rule)(&request) {
            Treatment::Pass => self.pass(self.behind.unwrap(), &request, &mut client),
            Treatment::PassTo(other) => self.pass(other, &request, &mut client),
            Treatment::Instead(mischief) => self.misbehave(mischief, client),
            Treatment::Afterwards(mischief) => {
                self.pass(self.behind.unwrap(), &request, &mut io::sink())?;
                self.misbehave(mischief, client)
            }
        }
    }

    fn note(&self, head: String, body: Vec<u8>) -> Request {
        let call = call_of(&head);
        let mut seen = self.seen.lock().unwrap();
        let number = seen.iter().filter(|request| request.call == call).count();
        let request = Request {
            call,
            number,
            head,
            body,
        };
        seen.push(request.clone());
        request
    }

    fn pass(&self, cloud: SocketAddr, request: &Request, to: &mut impl Write) -> io::Result<()> {
        let mut cloud = TcpStream::connect(cloud)?;
        let head = request.head.trim_end();
        cloud.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes())?;
        cloud.write_all(&request.body)?;
        io::copy(&mut cloud, to)?;
        Ok(())
    }

    fn misbehave(&self, mischief: Mischief, mut client: TcpStream) -> io::Result<()> {
        match mischief {
            Mischief::Close => {}
            Mischief::Hang => self.held.lock().unwrap().push(client),
            Mischief::Answer(bytes) => client.write_all(&bytes)?,
        }
        Ok(())
    }
}

fn call_of(head: &str) -> Call {
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    if path.ends_with("/action") {
        Call::Stop
    } else if path.contains("/jobs/") {
        Call::Job
    } else if path.ends_with("/detail") {
        Call::List
    } else {
        Call::Show
    }
}

/// Head and body of the next request; `None` if the client leaves before.
fn read_request(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16_384];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match client.read(&mut chunk)? {
            0 => return Ok(None),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length
        .map(|(_, text)| text.trim().parse::<usize>().unwrap())
        .sum();
    while body.len() < length {
        match client.read(&mut chunk)? {
            0 => return Ok(None),
            count => body.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(Some((head, body)))
}
