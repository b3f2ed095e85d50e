//! The cloud of a storm: `lightsout simulate` in a process of its own.
//!
//! Owns the process and asking it what it saw. Invariant: it ends with the value that started it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lightsout::clock::Clock;
use lightsout::simulator::{Keys, Stats};
use serde_json::Value;

/// Time passes this many times as fast, for the cloud and for its clients.
pub(crate) const PACE: u32 = 60;

/// A running cloud.
pub(crate) struct Cloud {
    child: Child,
    /// Its base URL.
    pub(crate) endpoint: String,
    /// The token that it accepts.
    pub(crate) token: String,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cloud {
    /// Starts it with `servers.txt` and `faults.json` of a folder, by this clock.
    pub(crate) fn start(folder: &Path, seed: u64, clock: Clock) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lightsout"))
            .args([
                "simulate",
                "--ids",
                "servers.txt",
                "--faults",
                "./faults.json",
            ])
            .args(["--job-duration", "15s", "--seed", &seed.to_string()])
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("LIGHTSOUT_CLOCK", clock.from_here().to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self {
            child,
            endpoint: told["endpoint"].as_str().unwrap().to_owned(),
            token: Keys::from_seed(seed).token,
        }
    }

    /// What it has seen so far.
    pub(crate) fn stats(&self) -> Stats {
        let address = self.endpoint.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let request =
            format!("GET /__stats HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}
