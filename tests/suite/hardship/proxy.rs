//! A network that fails: a proxy for TCP before one of the systems that does to each connection what a seed draws.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Passes,
    /// It is closed as soon as it was opened.
    Dropped,
    /// It is reset, with nothing passed on.
    Reset,
    /// It is opened and never answered, for so long; then it is closed.
    Silent(Duration),
    /// Requests arrive and answers do not, for so long; then it is closed.
    Mute(Duration),
    /// Each piece of an answer comes so much later; it is closed after so many bytes of answers.
    Slow(Duration, usize),
    /// It is closed after so many bytes of a request.
    RequestCut(usize),
    /// It is closed after so many bytes of answers, as a rule in the middle of a body.
    AnswerCut(usize),
    /// The same, and the connection is reset, which also throws away what was not read yet.
    AnswerReset(usize),
}

/// A way to one of the systems.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    to: SocketAddr,
    /// The longest that a connection lasts that is cut, in bytes.
    longest: usize,
    fails: AtomicBool,
    draw: Mutex<ChaCha8Rng>,
    struck: AtomicU32,
}

impl Proxy {
    /// Before the system at this address (`http://127.0.0.1:8080`). While it fails, no connection lasts for longer than so many bytes.
    pub async fn before(url: &str, longest: usize, seed: u64) -> Self {
        let to = url.trim_start_matches("http://").parse().unwrap();
        let draw = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        let shared = Arc::new(Shared { to, longest, fails: AtomicBool::new(false), draw, struck: AtomicU32::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = Mutex::new(Some(tokio::spawn(accept(listener, Arc::clone(&shared)))));
        Self { address, shared, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// It fails no more, but for connections that are open: they keep the fate that they have.
    pub fn recovers(&self) {
        self.shared.fails.store(false, Ordering::SeqCst);
    }

    /// It fails from now on, for connections that are open too.
    pub async fn fails(&self) {
        self.shared.fails.store(true, Ordering::SeqCst);
        self.refuse().await;
        self.listen().await;
    }

    /// How many connections it has done something to.
    pub fn struck(&self) -> u32 {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// Refuses connections, and cuts those that are open.
    pub async fn refuse(&self) {
        let accepting = self.accepting.lock().unwrap().take().unwrap();
        accepting.abort();
        let _ = accepting.await;
    }

    /// Listens again at the same address.
    pub async fn listen(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        *self.accepting.lock().unwrap() = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
    }
}

impl Shared {
    /// Draws the next connection's fate.
    fn draw(&self) -> Fate {
        if !self.fails.load(Ordering::SeqCst) {
            return Fate::Passes;
        }
        let mut draw = self.draw.lock().unwrap();
        let millis = |from, to, draw: &mut ChaCha8Rng| Duration::from_millis(draw.random_range(from..to));
        let bytes = draw.random_range(1..self.longest);
        match draw.random_range(0..10) {
            0 => Fate::Dropped,
            1 => Fate::Reset,
            2 => Fate::Silent(millis(50, 1_500, &mut draw)),
            3 | 4 => Fate::Mute(millis(50, 1_500, &mut draw)),
            5 => Fate::Slow(millis(2, 20, &mut draw), bytes),
            // Requests are short: most ask for something.
            6 => Fate::RequestCut(1 + bytes / 20),
            7 | 8 => Fate::AnswerCut(bytes),
            _ => Fate::AnswerReset(bytes),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // They end with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let fate = shared.draw();
        if fate != Fate::Passes {
            shared.struck.fetch_add(1, Ordering::SeqCst);
        }
        connections.spawn(carry(client, shared.to, fate));
    }
}

async fn carry(client: TcpStream, to: SocketAddr, fate: Fate) {
    match fate {
        Fate::Dropped => return,
        Fate::Reset => return reset(&client),
        Fate::Silent(time) => return tokio::time::sleep(time).await,
        _ => {}
    }
    let Ok(server) = TcpStream::connect(to).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    if matches!(fate, Fate::AnswerReset(_)) {
        reset(&client);
    }
    let (request_limit, answer_limit) = match fate {
        Fate::RequestCut(bytes) => (bytes, usize::MAX),
        Fate::AnswerCut(bytes) | Fate::AnswerReset(bytes) | Fate::Slow(_, bytes) => (usize::MAX, bytes),
        _ => (usize::MAX, usize::MAX),
    };
    let delay = if let Fate::Slow(delay, _) = fate { delay } else { Duration::ZERO };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    if let Fate::Mute(time) = fate {
        let passing = pass(from_client, to_server, usize::MAX, Duration::ZERO);
        let _ = tokio::time::timeout(time, passing).await;
        return;
    }
    // Whoever ends first ends both ways.
    tokio::select! {
        () = pass(from_client, to_server, request_limit, Duration::ZERO) => {}
        () = pass(from_server, to_client, answer_limit, delay) => {}
    }
}

/// Has the connection reset when it is dropped.
fn reset(connection: &TcpStream) {
    let _ = connection.set_zero_linger();
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, limit: usize, delay: Duration) {
    let mut left = limit;
    let mut piece = [0; 4_096];
    while left > 0 {
        let Ok(length @ 1..) = from.read(&mut piece).await else { return };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let length = length.min(left);
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
        left -= length;
    }
}
