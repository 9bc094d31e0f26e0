//! A PostgreSQL server for the tests: its own, in a folder that goes, on no port that anybody else could have.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use leadsync::store::Address;
use rustix::fs::statvfs;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;

/// PostgreSQL does not run as root: then it runs as nobody.
const NOBODY: u32 = 65_534;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the server, and takes its folder away where the tests ended without doing so.
const WATCHED: &str = r#"folder=$1; shift
trap 'kill -QUIT $server; wait $server; rm -rf "$folder"; exit' TERM
"$@" & server=$!
wait $server"#;

/// Bytes that a server and its log take at most, in all tests together.
const ENOUGH: u64 = 2 * 1_024 * 1_024 * 1_024;

const MISSING: &str = "no PostgreSQL server is installed (apt-get install postgresql)";

/// A server of one's own.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    /// Held: it goes with the cluster.
    temporary: Option<TempDir>,
}

impl Cluster {
    /// The one that the tests of this process share. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    #[allow(dead_code, reason = "the other test binary asks")]
    /// Whether one can be started; where none can, the tests that need one are left out, but not in CI.
    pub fn is_possible() -> bool {
        let is_possible = programs().is_some();
        if !is_possible {
            assert!(std::env::var_os("CI").is_none(), "{MISSING}");
            eprintln!("not tested: {MISSING}");
        }
        is_possible
    }

    /// Makes one, and starts it with these settings.
    pub fn start(settings: &[&str]) -> Self {
        let cluster = Self::make(temporary(), 5432);
        cluster.serve(settings);
        cluster
    }

    /// The same on a port of this machine's loopback address too.
    #[allow(dead_code, reason = "the other test binary uses it")]
    pub fn start_on(port: u16) -> Self {
        let cluster = Self::make(temporary(), port);
        cluster.serve(&["listen_addresses=localhost"]);
        cluster
    }

    /// The same, with the certificate and the key in this folder.
    #[allow(dead_code, reason = "the other test binary uses it")]
    pub fn start_with_certificate(folder: &Path, port: u16) -> Self {
        let cluster = Self::make(temporary(), port);
        for name in ["server.crt", "server.key"] {
            let copy = cluster.folder.join(name);
            std::fs::copy(folder.join(name), &copy).unwrap();
            std::fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
            if is_root() {
                chown(&copy, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let file = |name: &str| cluster.folder.join(name).display().to_string();
        let (certificate, key) =
            (format!("ssl_cert_file={}", file("server.crt")), format!("ssl_key_file={}", file("server.key")));
        cluster.serve(&["listen_addresses=localhost", "ssl=on", &certificate, &key]);
        cluster
    }

    /// The same in this folder, which is left there.
    #[allow(dead_code, reason = "the other test binary uses it")]
    pub fn start_in(folder: &Path) -> Self {
        let cluster = Self::make_in(folder.to_owned(), 5432);
        cluster.serve(&[]);
        cluster
    }

    fn make(folder: TempDir, port: u16) -> Self {
        let mut cluster = Self::make_in(folder.path().to_owned(), port);
        cluster.temporary = Some(folder);
        cluster
    }

    fn make_in(folder: PathBuf, port: u16) -> Self {
        if is_root() {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let cluster = Self { folder, port, temporary: None };
        let mut initdb = cluster.command("initdb");
        initdb.args(["--auth=trust", "--username=leadsync", "--encoding=UTF8", "--no-locale", "--no-sync", "--pgdata"]);
        let made = initdb.arg(cluster.data()).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        cluster
    }

    /// A server that has all that this one commits, and can take its place.
    #[allow(dead_code, reason = "the other test binary uses it")]
    pub fn follow(&self) -> Self {
        let folder = temporary();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let other = Self { folder: folder.path().to_owned(), port: self.port, temporary: Some(folder) };
        let mut copy = other.command("pg_basebackup");
        copy.args(["-U", "leadsync", "-R", "--checkpoint=fast", "-p", &self.port.to_string(), "-h"]).arg(&self.folder);
        let copied = copy.arg("-D").arg(other.data()).output().unwrap();
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        other.serve(&[]);
        other
    }

    /// From now on it is followed no more, and takes writes.
    #[allow(dead_code, reason = "the other test binary uses it")]
    pub fn promote(&self) {
        let promoted = self.command("pg_ctl").arg("promote").arg("-D").arg(self.data()).arg("-w").output().unwrap();
        assert!(promoted.status.success(), "pg_ctl: {}", String::from_utf8_lossy(&promoted.stderr));
    }

    /// Where its socket is.
    #[allow(dead_code, reason = "the other test binary uses it")]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server on what is there, and waits until it answers.
    pub fn serve(&self, settings: &[&str]) {
        let mut server = self.command("sh");
        server.args(["-c", WATCHED, "sh"]).arg(&self.folder).arg(programs().expect(MISSING).join("postgres"));
        server.arg("-D").arg(self.data()).arg("-k").arg(&self.folder);
        server.arg("-p").arg(self.port.to_string());
        for setting in ["listen_addresses=", "fsync=off", "max_connections=200"].iter().chain(settings) {
            server.args(["-c", setting]);
        }
        let log = File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        server.stdout(log.try_clone().unwrap()).stderr(log);
        // What watches it is told of the end of the thread that started it: that one is there as long as the process.
        let (told, started) = mpsc::channel();
        std::thread::spawn(move || {
            let mut server = server.spawn().unwrap();
            told.send(()).unwrap();
            server.wait()
        });
        started.recv().unwrap();
        let began = Instant::now();
        while !self.answers() {
            assert!(began.elapsed() < PATIENCE, "postgres: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[allow(dead_code, reason = "the other test binary stops servers")]
    /// Stops it: `fast` ends all sessions, `immediate` is a crash.
    pub fn stop(&self, mode: &str) {
        let stopped = self.command("pg_ctl").arg("stop").arg("-D").arg(self.data()).args(["-m", mode, "-w"]).output().unwrap();
        assert!(stopped.status.success(), "pg_ctl: {}", String::from_utf8_lossy(&stopped.stderr));
    }

    /// A schema of one's own, which is not there yet.
    pub fn address(&self) -> Address {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let schema = format!("test_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        let host = self.folder.display();
        Address { schema, ..Address::from(format!("postgres://leadsync@localhost/postgres?host={host}").as_str()) }
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Whether it answers.
    pub fn answers(&self) -> bool {
        let mut asking = self.command("pg_isready");
        asking
            .args(["-q", "-U", "leadsync", "-d", "postgres", "-p", &self.port.to_string(), "-h"])
            .arg(&self.folder)
            .status()
            .unwrap()
            .success()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if is_root() {
            command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string(), "--clear-groups"]);
        }
        command
            .arg("--")
            .arg(if program == "sh" { PathBuf::from(program) } else { programs().expect(MISSING).join(program) })
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command("pg_ctl").arg("stop").arg("-D").arg(self.data()).args(["-m", "immediate", "-w"]).output();
    }
}

/// In memory, where there is enough of it: containers often have little.
fn temporary() -> TempDir {
    let shm = Path::new("/dev/shm");
    let is_large = statvfs(shm).is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) > ENOUGH);
    if is_large { TempDir::new_in(shm).unwrap() } else { TempDir::new().unwrap() }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where the server's programs are: the newest that is installed.
fn programs() -> Option<&'static Path> {
    static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let found = installed.map(|version| version.path().join("bin")).filter(|folder| folder.join("initdb").exists());
        found.max()
    });
    programs.as_deref()
}

/// Whether the tests' stores are in PostgreSQL.
pub fn is_asked_for() -> bool {
    match std::env::var("LEADSYNC_TEST_STORE") {
        Ok(kind) => {
            assert_eq!(kind, "postgres", "LEADSYNC_TEST_STORE");
            true
        }
        Err(_) => false,
    }
}

/// A store for a test: in this folder, or in PostgreSQL where that is asked for.
#[allow(dead_code, reason = "the other test binary uses it")]
pub fn address_in(folder: &Path) -> Address {
    if is_asked_for() {
        return Cluster::shared().address();
    }
    Address::from(&format!("sqlite:{}", folder.join("leads.db").display()))
}

/// A connection to a store, as any client for SQL has one.
enum Client {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

async fn client(address: &Address) -> Client {
    if let Some(file) = address.place().unwrap().file() {
        return Client::Sqlite(SqliteConnectOptions::new().filename(file).foreign_keys(true).connect().await.unwrap());
    }
    let options: PgConnectOptions = address.url.parse().unwrap();
    Client::Postgres(options.options([("search_path", &address.schema)]).connect().await.unwrap())
}

/// Runs a statement on a store.
pub async fn execute(address: &Address, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match client(address).await {
        Client::Sqlite(mut client) => {
            sqlx::query(sql).execute(&mut client).await.unwrap();
            client.close().await.unwrap();
        }
        Client::Postgres(mut client) => {
            client.execute(sql).await.unwrap();
            client.close().await.unwrap();
        }
    }
}

/// What a store says, a text a row.
pub async fn rows(address: &Address, sql: &'static str) -> Vec<String> {
    match client(address).await {
        Client::Sqlite(mut client) => {
            let rows = sqlx::query_scalar(sql).fetch_all(&mut client).await.unwrap();
            client.close().await.unwrap();
            rows
        }
        Client::Postgres(mut client) => {
            let rows = sqlx::query_scalar(sql).fetch_all(&mut client).await.unwrap();
            client.close().await.unwrap();
            rows
        }
    }
}
