//! ESC-17 to 25: no road to the network, to a socket or to memory of the host.

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::lab::{Lab, attack, attack_without_protection, prints};

#[test]
fn esc_17_18_19_20_nothing_of_the_host_answers() {
    let lab = Lab::new("tcp");
    let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let mut sandbox = lab.start();
    let script = format!(
        "import socket\n\
         def attempt(name, f):\n\
         \x20try:\n\
         \x20\x20f(); print(name)\n\
         \x20except OSError:\n\
         \x20\x20pass\n\
         def udp(port):\n\
         \x20s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', port))\n\
         for host in ['127.0.0.1', '10.0.0.1', '169.254.169.254', '192.168.0.1', '1.1.1.1']:\n\
         \x20attempt('tcp ' + host, lambda: socket.create_connection((host, {}), 1))\n\
         udp({})\n\
         attempt('dns', lambda: socket.getaddrinfo('example.com', 80))\n\
         print('done')\n",
        tcp.local_addr().unwrap().port(),
        udp.local_addr().unwrap().port()
    );
    let printed = prints(&mut *sandbox, &format!("cat > /tmp/a.py <<'END'\n{script}END\npython3 /tmp/a.py"));
    assert_eq!(printed, "done\n");
    assert!(tcp.accept().is_err() && udp.recv(&mut [0; 8]).is_err());
}

#[test]
fn esc_21_22_sockets_without_and_with_a_path_are_out_of_reach() {
    let lab = Lab::new("sockets");
    let name = format!("self-harness-escape-{}", std::process::id());
    let unnamed = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let path = lab.path("socket");
    let named = UnixListener::bind(&path).unwrap();
    unnamed.set_nonblocking(true).unwrap();
    named.set_nonblocking(true).unwrap();
    let mut sandbox = lab.start();
    let script = format!(
        "python3 - <<'END'\nimport socket\nfor a in ['\\0{name}', '{}', '/run/dbus/system_bus_socket', '/run/docker.sock']:\n\
         \x20try:\n\x20\x20socket.socket(socket.AF_UNIX).connect(a); print('connected', a)\n\x20except OSError:\n\x20\x20pass\nEND",
        path.display()
    );
    assert_eq!(prints(&mut *sandbox, &script), "");
    assert!(unnamed.accept().is_err() && named.accept().is_err());
}

#[test]
fn esc_23_24_only_ordinary_sockets_exist() {
    let lab = Lab::new("families");
    let mut sandbox = lab.start();
    let said = attack(&mut *sandbox, "calls vsock packet raw alg audit bluetooth can xdp route inet");
    assert_eq!(
        said,
        "vsock=EPERM packet=EPERM raw=EPERM alg=EPERM audit=EPERM bluetooth=EPERM can=EPERM xdp=EPERM route=done inet=done"
    );
}

#[test]
#[expect(unsafe_code, reason = "a segment of the host is made with the C library")]
fn esc_25_segments_of_the_host_are_not_there() {
    let lab = Lab::new("segment");
    let key = 0x5e1f_0000 + i32::try_from(std::process::id() & 0xFFFF).unwrap();
    // SAFETY: the calls take numbers; the segment is removed below.
    let segment = unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | 0o666) };
    assert!(0 <= segment);
    let attempt = format!("segment {key}");
    let outside = attack_without_protection(&lab, &attempt);
    let inside = attack(&mut *lab.start(), &attempt);
    // SAFETY: as above.
    unsafe { libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut()) };
    assert_eq!((outside.as_str(), inside.as_str()), ("done", "ENOENT"));
}

#[test]
fn esc_26_its_own_loopback_works() {
    let lab = Lab::new("loopback");
    let mut sandbox = lab.start();
    let script = "echo hello > f; python3 -m http.server 8000 >/dev/null 2>&1 & sleep 1; \
        python3 -c 'import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1:8000/f\").read())'; kill $!";
    assert!(prints(&mut *sandbox, script).contains("hello"));
}
