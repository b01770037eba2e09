//! The proxy on sockets of this machine, with a way out that leads back to it. The rules are those of the product: the names
//! lead to public addresses, and only the way to these is another one.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use futures_util::future::BoxFuture;

use super::tunnel::Bounds;
use super::*;

const PUBLIC: &str = "93.184.216.34";

/// Knows some names, leads every address to one server, and remembers what it was asked.
struct Fake {
    names: Vec<(&'static str, Vec<&'static str>)>,
    server: SocketAddr,
    asked: Mutex<Vec<String>>,
}

impl Outside for Fake {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(host.to_owned());
            let found = self.names.iter().find(|(name, _)| *name == host);
            let (_, addresses) = found.ok_or(ErrorKind::NotFound)?;
            Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
        })
    }

    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<tokio::net::TcpStream>> {
        self.asked.lock().unwrap().push(to.to_string());
        Box::pin(tokio::net::TcpStream::connect(self.server))
    }
}

struct Lab {
    proxy: Option<Proxy>,
    address: SocketAddr,
    fake: Arc<Fake>,
    log: Arc<Log>,
    server: TcpListener,
}

impl Lab {
    fn new(access: Access, names: Vec<(&'static str, Vec<&'static str>)>) -> Self {
        Self::within(access, names, Bounds::default(), Duration::from_secs(10))
    }

    fn within(
        access: Access,
        names: Vec<(&'static str, Vec<&'static str>)>,
        bounds: Bounds,
        head: Duration,
    ) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let asked = Mutex::default();
        let fake = Arc::new(Fake { names, server: server.local_addr().unwrap(), asked });
        let log = Arc::new(Log::default());
        let outside: Arc<dyn Outside> = Arc::clone(&fake) as Arc<dyn Outside>;
        let door = Door::new(access, "agent", outside, Arc::clone(&log)).within(bounds, head);
        let inside = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = inside.local_addr().unwrap();
        let proxy = Some(Proxy::start(inside, door).unwrap());
        Self { proxy, address, fake, log, server }
    }

    fn one_host() -> Self {
        Self::new(hosts(&["a.example"]), vec![("a.example", vec![PUBLIC])])
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Sends a head, and gives what is answered until the end.
    fn answer(&self, head: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(head).unwrap();
        rest(&mut stream)
    }

    /// Asks for a target; the status that is answered.
    fn status(&self, target: &str) -> String {
        let answer = self.answer(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes());
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Two ends of an open tunnel.
    fn tunnel(&self) -> (TcpStream, TcpStream) {
        let mut inside = self.connect();
        inside.write_all(b"CONNECT a.example:443 HTTP/1.1\r\n\r\n").unwrap();
        let (outside, _) = self.server.accept().unwrap();
        outside.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut established = [0; 39];
        inside.read_exact(&mut established).unwrap();
        assert_eq!(&established, b"HTTP/1.1 200 Connection established\r\n\r\n");
        (inside, outside)
    }

    fn asked(&self) -> Vec<String> {
        self.fake.asked.lock().unwrap().clone()
    }
}

fn hosts(hosts: &[&str]) -> Access {
    Access::Hosts(AllowList::of(hosts).unwrap())
}

/// What comes until the end; a connection that is broken off ends too.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn bytes_go_both_ways_and_each_half_is_closed_by_itself() {
    let mut lab = Lab::one_host();
    let mut inside = lab.connect();
    // What a program sends at once belongs to the tunnel.
    inside.write_all(b"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\nearly ").unwrap();
    let (mut outside, _) = lab.server.accept().unwrap();
    inside.write_all(b"and late").unwrap();
    inside.shutdown(Shutdown::Write).unwrap();
    // The end of the one half arrives, and the other still carries.
    assert_eq!(rest(&mut outside), "early and late");
    outside.write_all(b"an answer").unwrap();
    drop(outside);
    assert_eq!(rest(&mut inside), "HTTP/1.1 200 Connection established\r\n\r\nan answer");
    assert_eq!(lab.asked(), ["a.example", "93.184.216.34:443"]);
    lab.proxy = None;
    let seen = lab.log.seen();
    assert_eq!(seen.lines(), ["agent a.example:443 open (93.184.216.34), 14 bytes out, 9 bytes in"]);
}

#[test]
fn esc_114_what_is_not_allowed_is_neither_looked_up_nor_reached() {
    let lab = Lab::one_host();
    for target in [
        "b.example:443",
        "x.a.example:443",
        "a.example.b.example:443",
        "a.example:22",
        "a.example\0.b.example:443",
        "user@a.example:443",
        "93.184.216.34:443",
        "[2606:4700::1111]:443",
        "A.example:443",
        "a.example.:443",
    ] {
        assert_eq!(lab.status(target), "403", "{target}");
    }
    let answer = lab.answer(b"CONNECT b.example:443 HTTP/1.1\r\n\r\n");
    assert!(
        answer.ends_with("\r\n\r\nself-harness: `b.example` is not among the `allowed_hosts` of the task\n")
    );
    let get = lab.answer(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert!(get.starts_with("HTTP/1.1 405 Method Not Allowed\r\nallow: CONNECT\r\n"), "{get}");
    assert!(lab.answer(b"\0\0\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert_eq!(lab.asked(), [] as [String; 0]);
    let seen = lab.log.seen();
    assert_eq!(seen.connections.len(), 13);
    assert!(seen.connections.iter().all(|one| one.verdict == "refused" && one.address.is_none()), "{seen:?}");
    assert_eq!(seen.connections[5].host, "user@a.example:443");
}

#[test]
fn esc_115_a_name_that_leads_inward_is_refused() {
    let names = vec![
        ("inward.example", vec!["127.0.0.1"]),
        ("metadata.example", vec!["169.254.169.254", "fd00:ec2::254"]),
        ("mapped.example", vec!["::ffff:10.0.0.1"]),
        ("translated.example", vec!["64:ff9b::7f00:1"]),
        ("mixed.example", vec!["10.0.0.1", PUBLIC]),
        ("none.example", vec![]),
    ];
    // Even where every name is allowed.
    let lab = Lab::new(Access::Public, names);
    for host in ["inward", "metadata", "mapped", "translated"] {
        assert_eq!(lab.status(&format!("{host}.example:443")), "403", "{host}");
    }
    assert_eq!(
        (lab.status("none.example:443"), lab.status("unknown.example:443")),
        ("502".into(), "502".into())
    );
    let verdicts: Vec<String> = lab.log.seen().connections.into_iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, ["refused", "refused", "refused", "refused", "failed", "failed"]);
    assert!(!lab.asked().iter().any(|asked| asked.contains(':')), "{:?}", lab.asked());
    // Of a name with both kinds only the public address is reached.
    let mut inside = lab.connect();
    inside.write_all(b"CONNECT mixed.example:80 HTTP/1.1\r\n\r\n").unwrap();
    let _outside = lab.server.accept().unwrap();
    assert_eq!(lab.asked().last().unwrap(), "93.184.216.34:80");
}

#[test]
fn a_name_is_looked_up_once_for_a_connection() {
    let lab = Lab::one_host();
    let _ends = lab.tunnel();
    let _others = lab.tunnel();
    assert_eq!(lab.asked(), ["a.example", "93.184.216.34:443", "a.example", "93.184.216.34:443"]);
}

#[test]
fn a_head_has_bounds() {
    let bounds = Bounds::default();
    let lab = Lab::within(hosts(&["a.example"]), Vec::new(), bounds, Duration::from_millis(300));
    let long = format!("CONNECT a.example:443 HTTP/1.1\r\nA: {}", "b".repeat(9000));
    assert!(lab.answer(long.as_bytes()).starts_with("HTTP/1.1 431 "));
    assert!(lab.answer(b"CONNECT a.exa").starts_with("HTTP/1.1 408 "));
    // Who looks whether anybody listens is nothing to tell.
    drop(lab.connect());
    assert_eq!(lab.log.seen().connections.len(), 2);
}

#[test]
fn what_is_too_much_or_too_quiet_is_cut() {
    let names = || vec![("a.example", vec![PUBLIC])];
    let bounds = Bounds { idle: Duration::from_secs(60), bytes: 10_000 };
    let lab = Lab::within(hosts(&["a.example"]), names(), bounds, Duration::from_secs(10));
    let (mut inside, mut outside) = lab.tunnel();
    outside.write_all(&[b'x'; 20_000]).unwrap();
    assert!(rest(&mut inside).len() <= 10_000);
    assert_eq!(lab.status("a.example:443"), "429");
    let seen = lab.log.seen();
    assert_eq!(seen.connections[0].reason, "it was cut: the sandbox has carried as many bytes as it may");
    let bounds = Bounds { idle: Duration::from_millis(200), ..Bounds::default() };
    let lab = Lab::within(hosts(&["a.example"]), names(), bounds, Duration::from_secs(10));
    let began = Instant::now();
    let (mut inside, mut outside) = lab.tunnel();
    for _ in 0..6 {
        // As long as something moves it lives.
        std::thread::sleep(Duration::from_millis(70));
        inside.write_all(b"x").unwrap();
        outside.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(rest(&mut inside), "");
    assert!(Duration::from_millis(400) < began.elapsed() && began.elapsed() < Duration::from_secs(8));
    assert_eq!(lab.log.seen().connections[0].reason, "it was cut: nothing moved for too long");
}

#[test]
fn much_goes_both_ways_at_once() {
    const MUCH: usize = 24 << 20;
    let lab = Lab::one_host();
    let (inside, outside) = lab.tunnel();
    let began = Instant::now();
    let sending = |stream: &TcpStream| {
        let mut stream = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            stream.write_all(&vec![7; MUCH]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        })
    };
    let receiving = |mut stream: TcpStream| {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            // Nobody reads at once, so that the proxy has to wait.
            std::thread::sleep(Duration::from_millis(200));
            stream.read_to_end(&mut all).unwrap();
            assert!(all.iter().all(|byte| *byte == 7));
            all.len()
        })
    };
    let senders = [sending(&inside), sending(&outside)];
    let received = [receiving(inside), receiving(outside)].map(|thread| thread.join().unwrap());
    senders.into_iter().for_each(|thread| thread.join().unwrap());
    println!("MEASURED {} MiB through the proxy: {:?}", (2 * MUCH) >> 20, began.elapsed());
    assert_eq!(received, [MUCH; 2]);
    let seen = &lab.log.seen().connections[0];
    assert_eq!((seen.sent, seen.received), (MUCH as u64, MUCH as u64));
}

#[test]
fn there_are_so_many_connections_at_once_and_more_wait() {
    let lab = Lab::one_host();
    let mut all: Vec<_> = (0..connections::MAX_CONNECTIONS).map(|_| lab.tunnel()).collect();
    let mut next = lab.connect();
    next.write_all(b"CONNECT b.example:443 HTTP/1.1\r\n\r\n").unwrap();
    next.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(next.read(&mut [0]).is_err());
    next.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    drop(all.pop());
    assert!(rest(&mut next).starts_with("HTTP/1.1 403 "));
}

#[test]
fn the_end_of_the_proxy_is_the_end_of_its_connections() {
    let mut lab = Lab::one_host();
    let (mut inside, mut outside) = lab.tunnel();
    inside.write_all(b"x").unwrap();
    outside.read_exact(&mut [0]).unwrap();
    lab.proxy = None;
    assert_eq!((rest(&mut inside).as_str(), rest(&mut outside).as_str()), ("", ""));
    assert!(TcpStream::connect(lab.address).is_err());
    assert_eq!(lab.log.seen().connections[0].sent, 1);
}

#[test]
fn a_machine_that_allows_less_is_told_by_its_key() {
    let words = over(Ceiling::Public, Ceiling::Allowlist);
    let expected =
        "any public host, and `network = \"allowlist\"` in the `config.toml` of this machine allows less";
    assert!(words.ends_with(expected), "{words}");
    let egress = Egress::new(Ceiling::Public);
    assert_eq!(egress.road(&Access::Off, Network::Model), Network::Model);
    assert_eq!(egress.road(&Access::Public, Network::Model), Network::Both);
    assert_eq!(egress.road(&hosts(&["a.example"]), Network::Off), Network::Egress);
    let unkept = Egress::of(Choice::None, Ceiling::Public);
    assert_eq!(unkept.road(&Access::Public, Network::Off), Network::Off);
    assert!(is_carried_by(Choice::Bubblewrap) && is_carried_by(Choice::None));
}
