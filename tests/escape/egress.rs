//! ESC-114, 115 and neighbours: with a road to other hosts, a program reaches those that its task names, by the proxy, and nobody
//! else. The way out of the proxy leads to a server of the test; the rules are those of the product.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use self_harness::host::egress::{Access, AllowList, Egress, Outside, Seen};
use self_harness::host::machine::Ceiling;
use self_harness::host::sandbox::spec::EGRESS_ADDRESS;
use self_harness::host::sandbox::{Exec, Network, Sandbox};

use crate::lab::{Lab, shell};

/// A public address that nobody is asked at.
const PUBLIC: &str = "93.184.216.34";

/// Knows where names lead, and leads every address that passed the rules to a server of the test.
struct Fake {
    server: SocketAddr,
    dialled: Mutex<Vec<SocketAddr>>,
    resolved: Mutex<Vec<String>>,
}

impl Outside for Fake {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let mut resolved = self.resolved.lock().unwrap();
        resolved.push(host.to_owned());
        // The second answer about `rebinds` leads inward.
        let before = resolved.iter().filter(|name| *name == host).count();
        let found: &[&str] = match host {
            "allowed.example" | "a.below.example" => &[PUBLIC],
            "loopback.example" => &["127.0.0.1"],
            "loopback6.example" => &["::1"],
            "metadata.example" => &["169.254.169.254"],
            "private.example" => &["192.168.0.1", "10.0.0.1", "172.16.0.1"],
            "shared.example" => &["100.64.0.1"],
            "mapped.example" => &["::ffff:127.0.0.1"],
            "translated.example" => &["64:ff9b::a9fe:a9fe"],
            "six-to-four.example" => &["2002:7f00:1::1"],
            "rebinds.example" if before == 1 => &[PUBLIC],
            "rebinds.example" => &["127.0.0.1"],
            _ => &[],
        };
        let found = found.iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    }

    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, std::io::Result<tokio::net::TcpStream>> {
        self.dialled.lock().unwrap().push(to);
        Box::pin(tokio::net::TcpStream::connect(self.server))
    }
}

/// A server that says how it was greeted, to everybody.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all);
                let _ = stream.write_all(&[b"you said ", all.as_slice()].concat());
            });
        }
    });
    address
}

struct Outcome {
    printed: String,
    seen: Seen,
    dialled: Vec<SocketAddr>,
    resolved: Vec<String>,
}

/// What programs begin with: `connect` asks the proxy byte by byte, and says what came back after the greeting.
const PRELUDE: &str = r"
import os, socket, sys

def connect(target, say=b'', line=None):
    with socket.create_connection(('127.0.0.1', 3128), 10) as s:
        s.settimeout(20)
        s.sendall(line or b'CONNECT ' + target + b' HTTP/1.1\r\nHost: ' + target + b'\r\n\r\n')
        got = b''
        while b'\r\n\r\n' not in got:
            piece = s.recv(4096)
            if not piece:
                return got.decode()
            got += piece
        status = int(got.split()[1])
        if status == 200:
            s.sendall(say)
            s.shutdown(socket.SHUT_WR)
        while piece := s.recv(4096):
            got += piece
        return status, got.split(b'\r\n\r\n', 1)[1].decode().strip()
";

/// Runs a Python program in a sandbox with a road to other hosts.
#[track_caller]
fn python(lab: &Lab, access: &Access, network: Network, script: &str) -> Outcome {
    let fake = Arc::new(Fake { server: server(), dialled: Mutex::default(), resolved: Mutex::default() });
    let egress = Egress::by(Ceiling::Public, Arc::clone(&fake) as Arc<dyn Outside>);
    let mut sandbox = lab.start_with(|spec| spec.network = egress.road(access, network));
    let road = egress.open(access, "agent", &mut *sandbox).unwrap();
    let script = format!("{PRELUDE}{script}");
    let exec = Exec::program(["/usr/bin/python3", "-c", &script]).within(Duration::from_secs(60));
    let executed = sandbox.exec(&exec).unwrap();
    let errors = executed.stderr.text();
    assert!(errors.is_empty(), "{:?}: {}{errors}", executed.ended, executed.stdout.text());
    sandbox.kill().unwrap().into_tree().remove().unwrap();
    drop(road);
    let (dialled, resolved) = (fake.dialled.lock().unwrap().clone(), fake.resolved.lock().unwrap().clone());
    Outcome { printed: executed.stdout.text(), seen: egress.seen(), dialled, resolved }
}

fn hosts(hosts: &[&str]) -> Access {
    Access::Hosts(AllowList::of(hosts).unwrap())
}

#[test]
fn esc_114_only_the_hosts_of_the_task_are_reached() {
    let lab = Lab::new("egress-hosts");
    let access = hosts(&["allowed.example", "*.below.example"]);
    let script = r"
print(connect(b'allowed.example:443', b'hello'))
print(connect(b'a.below.example:80', b'there'))
refused = [b'other.example:443', b'x.allowed.example:443', b'below.example:443', b'allowed.example.other.example:443',
    b'allowed.example:22', b'allowed.example:8443', b'allowed.example\0.other.example:443', b'allowed.example\0:443',
    b'user@allowed.example:443', b'user:word@allowed.example:443', b'allowed.example@other.example:443',
    b'93.184.216.34:443', b'127.0.0.1:443', b'2130706433:443', b'0x7f.0.0.1:443', b'127.1:443', b'[::1]:443',
    b'[::ffff:127.0.0.1]:443', b'169.254.169.254:80', b'localhost:443', b'ALLOWED.example:443', b'allowed.example.:443',
    'allowed.ex\u00e4mple:443'.encode(), 'allowed\u3002example:443'.encode(), b'allowed.example%00:443',
    b'allowed.example/:443', b'*.below.example:443']
for target in refused:
    answer = connect(target)
    if answer[0] != 403:
        print(target, answer)
for line in [b'GET http://allowed.example/ HTTP/1.1\r\nHost: allowed.example\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n', b'POST http://allowed.example/ HTTP/1.1\r\nContent-Length: 1\r\n\r\nx',
    b'connect allowed.example:443 HTTP/1.1\r\n\r\n']:
    print(connect(b'', line=line)[0], end=' ')
for line in [b'CONNECT allowed.example:443 HTTP/1.1\r\nHost: a\rX: b\r\n\r\n', b'CONNECT allowed.example:443\r\n\r\n',
    b'CONNECT allowed.example:443 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc', b'CONNECT allowed.example:443 HTTP/1.1\r\n folded: x\r\n\r\n']:
    print(connect(b'', line=line)[0], end=' ')
print(connect(b'', line=b'CONNECT allowed.example:443 HTTP/1.1\r\nX: ' + b'a' * 9000 + b'\r\n\r\n')[0])
";
    let outcome = python(&lab, &access, Network::Off, script);
    let expected = "(200, 'you said hello')\n(200, 'you said there')\n405 405 405 405 400 400 400 400 431\n";
    assert_eq!(outcome.printed, expected);
    let way = |port| SocketAddr::new(PUBLIC.parse().unwrap(), port);
    assert_eq!(outcome.dialled, [way(443), way(80)]);
    assert_eq!(outcome.resolved, ["allowed.example", "a.below.example"]);
    let open: Vec<String> = outcome.seen.lines().into_iter().filter(|line| line.contains(" open ")).collect();
    assert_eq!(
        open,
        [
            "agent allowed.example:443 open (93.184.216.34), 5 bytes out, 14 bytes in",
            "agent a.below.example:80 open (93.184.216.34), 5 bytes out, 14 bytes in"
        ]
    );
    assert_eq!(outcome.seen.connections.len(), 2 + 27 + 9);
    assert!(outcome.seen.lines().iter().all(|line| !line.contains(['\0', '\r', '\n'])), "{:?}", outcome.seen);
}

#[test]
fn esc_115_a_name_that_leads_inward_is_not_reached() {
    let lab = Lab::new("egress-inward");
    let script = r"
for name in ['loopback', 'loopback6', 'metadata', 'private', 'shared', 'mapped', 'translated', 'six-to-four']:
    answer = connect(f'{name}.example:80'.encode())
    if answer[0] != 403 or 'leads to an address that is not public' not in answer[1]:
        print(name, answer)
print(connect(b'rebinds.example:443', b'once'))
print(connect(b'rebinds.example:443', b'twice')[0], connect(b'unknown.example:443')[0])
";
    // Whether they are named by the task, or any host may be reached.
    let named = hosts(&["loopback.example"]);
    for access in [Access::Public, named] {
        let script = match access {
            Access::Public => script,
            _ => "print(connect(b'loopback.example:443')[0])",
        };
        let outcome = python(&lab, &access, Network::Off, script);
        let is_public = access == Access::Public;
        assert_eq!(outcome.printed, if is_public { "(200, 'you said once')\n403 502\n" } else { "403\n" });
        // One look for each connection, and the way leads to what was checked.
        let dialled: Vec<IpAddr> = outcome.dialled.iter().map(SocketAddr::ip).collect();
        assert_eq!(dialled, vec![PUBLIC.parse::<IpAddr>().unwrap(); usize::from(is_public)]);
        assert_eq!(outcome.resolved.len(), if is_public { 11 } else { 1 });
    }
}

#[test]
fn esc_17_with_the_road_to_hosts_no_other_way_leads_out() {
    let lab = Lab::new("egress-others");
    let host = TcpListener::bind("0.0.0.0:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let script = format!(
        r"
def attempt(name, f):
    try:
        f(); print('reached', name)
    except OSError:
        pass
for name in ['127.0.0.1', '10.0.0.1', '169.254.169.254', '93.184.216.34', '1.1.1.1', '::1']:
    for port in [{}, 3129, 443, 53]:
        attempt((name, port), lambda: socket.create_connection((name, port), 0.5))
attempt('dns', lambda: socket.getaddrinfo('allowed.example', 443))
print(connect(b'allowed.example:443', b'x')[0], os.environ['HTTPS_PROXY'], os.environ['no_proxy'])
",
        host.local_addr().unwrap().port()
    );
    let outcome = python(&lab, &hosts(&["allowed.example"]), Network::Off, &script);
    assert_eq!(outcome.printed, "200 http://127.0.0.1:3128 127.0.0.1,localhost,::1\n");
    assert!(host.accept().is_err());
    // On the host nothing listens there.
    assert!(TcpStream::connect_timeout(&EGRESS_ADDRESS, Duration::from_millis(500)).is_err());
}

#[test]
fn esc_112_nobody_inside_can_take_the_place_of_the_proxy() {
    let lab = Lab::new("egress-place");
    let script = r"
for host in ['127.0.0.1', '0.0.0.0', '']:
    for option in [None, socket.SO_REUSEADDR, socket.SO_REUSEPORT]:
        s = socket.socket()
        if option:
            s.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            s.bind((host, 3128)); s.listen(); print('taken', host, option)
        except OSError:
            pass
";
    assert_eq!(python(&lab, &hosts(&["allowed.example"]), Network::Off, script).printed, "");
}

#[test]
fn both_roads_are_open_at_once_and_without_one_there_is_none() {
    let lab = Lab::new("egress-both");
    let mut both = lab.start_with(|spec| spec.network = Network::Both);
    let model = both.take_listener().unwrap();
    let egress = both.take_egress().unwrap();
    assert_eq!(model.local_addr().unwrap().port(), 3129);
    assert_eq!(egress.local_addr().unwrap(), EGRESS_ADDRESS);
    assert!(both.take_listener().is_none() && both.take_egress().is_none());
    let reach = "python3 -c 'import socket; [print(p, socket.socket().connect_ex((\"127.0.0.1\", p))) for p in (3128, 3129)]'";
    assert_eq!(shell(&mut *both, reach).stdout.text(), "3128 0\n3129 0\n");
    let mut off = lab.start();
    assert!(off.take_egress().is_none());
    assert_eq!(shell(&mut *off, reach).stdout.text(), "3128 111\n3129 111\n");
    assert_eq!(shell(&mut *off, "env | grep -ic _proxy").stdout.text(), "0\n");
    let mut model = lab.start_with(|spec| spec.network = Network::Model);
    assert!(model.take_listener().is_some() && model.take_egress().is_none());
    assert_eq!(shell(&mut *model, "env | grep -ic _proxy").stdout.text(), "0\n");
}

#[test]
fn a_machine_that_allows_less_opens_nothing() {
    let lab = Lab::new("egress-ceiling");
    let named = hosts(&["allowed.example"]);
    for (ceiling, access) in
        [(Ceiling::Off, &named), (Ceiling::Off, &Access::Public), (Ceiling::Allowlist, &Access::Public)]
    {
        let egress = Egress::new(ceiling);
        let mut sandbox: Box<dyn Sandbox> =
            lab.start_with(|spec| spec.network = egress.road(access, Network::Off));
        let error = egress.open(access, "agent", &mut *sandbox).unwrap_err().to_string();
        assert!(error.contains("in the `config.toml` of this machine allows less"), "{error}");
    }
}

#[test]
fn programs_find_the_proxy_by_their_variables() {
    let lab = Lab::new("egress-variables");
    // As `urllib` tunnels: the answer of the test's server is none of TLS, so only the tunnel is looked at.
    let script = r"
import urllib.request, urllib.error
def get(url):
    try:
        urllib.request.urlopen(url, timeout=2)
    except (urllib.error.URLError, OSError) as error:
        return str(error)
print(get('https://other.example/'))
print('403' in get('https://allowed.example/'))
print(get('http://allowed.example/'))
print(get('http://127.0.0.1:9/'))
";
    let outcome = python(&lab, &hosts(&["allowed.example"]), Network::Off, script);
    let lines: Vec<&str> = outcome.printed.lines().collect();
    assert_eq!(lines[0], "<urlopen error Tunnel connection failed: 403 Forbidden>");
    assert_eq!(lines[1], "False");
    assert_eq!(lines[2], "HTTP Error 405: Method Not Allowed");
    assert_eq!(lines[3], "<urlopen error [Errno 111] Connection refused>");
    let verdicts: Vec<&str> = outcome.seen.connections.iter().map(|one| one.verdict.as_str()).collect();
    assert_eq!(verdicts, ["refused", "open", "refused"]);
}
