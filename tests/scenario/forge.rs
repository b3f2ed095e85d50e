//! A stand-in for what GitHub and GitLab offer for comments on a pull request.
//!
//! Owns the list of comments and who wrote them; speaks just enough HTTP for `curl`. Invariant: a request
//! without the token changes nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The token that may write.
pub(crate) const FORGE_TOKEN: &str = "forgetoken0001";

/// One comment.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) body: String,
}

impl Comment {
    fn shown(&self) -> Value {
        let number = if self.login == "github-actions[bot]" {
            1
        } else {
            2
        };
        json!({"id": self.id, "body": self.body, "user": {"login": self.login}, "author": {"id": number}})
    }
}

/// A forge with one pull request, on a loopback port.
pub(crate) struct Forge {
    address: SocketAddr,
    comments: Arc<Mutex<Vec<Comment>>>,
}

impl Forge {
    /// A forge in which these comments of somebody else stand already.
    pub(crate) fn start(others: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let comments = others.iter().enumerate().map(|(at, body)| Comment {
            id: at as u64 + 1,
            login: "mallory".to_owned(),
            body: (*body).to_owned(),
        });
        let comments = Arc::new(Mutex::new(comments.collect()));
        let shared = Arc::clone(&comments);
        // Ends with the process: nothing but the test connects.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &shared);
            }
        });
        Self { address, comments }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the pipeline has written, oldest first.
    pub(crate) fn own(&self) -> Vec<Comment> {
        let comments = self.comments.lock().unwrap();
        let own = comments.iter().filter(|comment| comment.login != "mallory");
        own.cloned().collect()
    }

    /// What others have written.
    pub(crate) fn others(&self) -> Vec<String> {
        let comments = self.comments.lock().unwrap();
        let others = comments.iter().filter(|comment| comment.login == "mallory");
        others.map(|comment| comment.body.clone()).collect()
    }
}

fn serve(mut stream: TcpStream, comments: &Mutex<Vec<Comment>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let allowed = head.contains(&format!("Bearer {FORGE_TOKEN}"))
        || lower.contains(&format!("private-token: {FORGE_TOKEN}"));
    let (status, answer) = match allowed {
        true => answer(&head, &body, &mut comments.lock().unwrap()),
        false => (403, json!({"message": "no"})),
    };
    let text = answer.to_string();
    let length = text.len();
    let reply = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    stream.write_all(reply.as_bytes()).unwrap();
}

fn answer(head: &str, body: &[u8], comments: &mut Vec<Comment>) -> (u16, Value) {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let last = path.rsplit('/').next().unwrap();
    let said = || -> String {
        let body: Value = serde_json::from_slice(body).unwrap();
        body["body"].as_str().unwrap().to_owned()
    };
    match (method, last.parse::<u64>()) {
        ("GET", _) if last == "user" => (200, json!({"id": 1})),
        ("GET", _) => (200, page(query, comments)),
        ("POST", _) => {
            let id = comments.iter().map(|comment| comment.id).max().unwrap_or(0) + 1;
            let login = "github-actions[bot]".to_owned();
            comments.push(Comment {
                id,
                login,
                body: said(),
            });
            (201, json!({"id": id}))
        }
        ("PATCH" | "PUT", Ok(id)) => {
            let comment = comments.iter_mut().find(|comment| comment.id == id);
            comment.unwrap().body = said();
            (200, json!({"id": id}))
        }
        ("DELETE", Ok(id)) => {
            comments.retain(|comment| comment.id != id);
            (200, json!({}))
        }
        other => panic!("{other:?}"),
    }
}

fn page(query: &str, comments: &[Comment]) -> Value {
    let value = |name: &str| -> usize {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
        pair.unwrap().parse().unwrap()
    };
    let (size, page) = (value("per_page="), value("page="));
    let shown = comments.iter().skip(size * (page - 1)).take(size);
    shown.map(Comment::shown).collect()
}
