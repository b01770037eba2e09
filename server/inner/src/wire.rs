//! What the worker and the first process of a sandbox say to each other: small messages over one socket pair, what is
//! large in sealed memory. The worker trusts no answer: each is bounded and read strictly.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use crate::policy::POLICY;

/// The first argument that makes a program of ours the first process of a sandbox.
pub const INIT: &str = "__sandbox-init";
/// The first argument that makes it the probe.
pub const PROBE: &str = "__sandbox-probe";

/// No message is longer.
const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// No request is longer.
const MAX_REQUEST_BYTES: u64 = 4 << 20;
/// No message has more descriptors.
const MAX_DESCRIPTORS: usize = 3;

/// What the first process is told, before anything else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Identity of the executable.
    pub build: String,
    /// Where files may be written.
    pub writable: Vec<String>,
    /// The directory of commands.
    pub directory: String,
    /// Memory of all processes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// The largest file.
    pub file_bytes: u64,
    /// Whether programs inside have a road to the model.
    pub has_model_route: bool,
    /// Whether they have a road to a proxy.
    #[serde(default)]
    pub has_egress_route: bool,
    /// What is different in a container.
    #[serde(default)]
    pub contained: Option<Contained>,
}

/// What the first process of a container is told besides: an engine neither clears variables nor measures trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contained {
    /// All variables of commands.
    pub env: BTreeMap<String, String>,
    /// Bytes of the tree.
    pub disk_bytes: u64,
    /// Files and directories of the tree.
    pub disk_entries: u64,
}

/// A command to run; its output descriptors come with the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables besides those of the sandbox.
    pub env: BTreeMap<String, String>,
    /// Another directory.
    pub directory: Option<String>,
    /// A file that is its standard input.
    pub stdin: Option<String>,
    /// How long it may take, in milliseconds.
    pub timeout: u64,
}

/// From the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Run the request that is in the first descriptor; the others are its outputs.
    Run,
    /// Kill what the command has started.
    Stop,
}

/// From the first process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Everything was checked; commands may come. For each road that there is, the socket that listens comes with it.
    Ready {
        /// Identity of the executable, as seen inside.
        build: String,
    },
    /// Something is not as it has to be.
    Unsafe {
        /// What.
        why: String,
    },
    /// The command did not start.
    NotStarted {
        /// Why.
        why: String,
    },
    /// The command ended by itself.
    Finished {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// Which.
        signal: i32,
    },
    /// It took too long and was killed.
    TimedOut,
    /// It was killed because the worker said so.
    Stopped,
    /// The sandbox uses too much memory and ends.
    OverMemory,
    /// The tree is too large and the sandbox ends; said in containers alone.
    OverDisk,
}

/// A pair of sockets that keep messages whole.
///
/// # Errors
/// The system's.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Sends a message with descriptors.
///
/// # Errors
/// The system's; `InvalidInput` if it is too long.
pub fn send<T: Serialize>(socket: impl AsFd, message: &T, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(socket, message, descriptors, SendFlags::empty())
}

/// Sends a message if that can be done at once.
///
/// # Errors
/// The system's, `WouldBlock` among them.
pub fn try_send<T: Serialize>(socket: impl AsFd, message: &T) -> io::Result<()> {
    send_with(socket, message, &[], SendFlags::DONTWAIT)
}

fn send_with<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if MAX_MESSAGE_BYTES < bytes.len() || MAX_DESCRIPTORS < descriptors.len() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(ErrorKind::InvalidInput.into());
    }
    loop {
        match rustix::net::sendmsg(
            &socket,
            &[IoSlice::new(&bytes)],
            &mut control,
            flags | SendFlags::NOSIGNAL,
        ) {
            Err(Errno::INTR) => {}
            sent => return sent.map(drop).map_err(Into::into),
        }
    }
}

/// Receives a message; `None` if the other end is closed.
///
/// # Errors
/// The system's, or that it is no such message.
pub fn receive<T: for<'a> Deserialize<'a>>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = [0; MAX_MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            received => break received?,
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&bytes[..received.bytes])?, descriptors)))
}

/// Memory with a content that nobody can change any more.
///
/// # Errors
/// The system's.
pub fn sealed(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    filled(rustix::fs::memfd_create(name, SEALABLE)?, content)
}

/// The same with a program that can be executed.
///
/// # Errors
/// The system's; it may be set up to let no program be executed from memory.
pub fn sealed_program(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let descriptor = match rustix::fs::memfd_create(name, SEALABLE | MemfdFlags::EXEC) {
        // A kernel before 6.3 knows of no other memory.
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, SEALABLE)?,
        created => created?,
    };
    filled(descriptor, content)
}

const SEALABLE: MemfdFlags = MemfdFlags::CLOEXEC.union(MemfdFlags::ALLOW_SEALING);

fn filled(descriptor: OwnedFd, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(descriptor);
    file.write_all(content)?;
    file.seek(SeekFrom::Start(0))?;
    let descriptor = OwnedFd::from(file);
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&descriptor, seals)?;
    Ok(descriptor)
}

/// A request as sealed memory.
///
/// # Errors
/// The system's; `InvalidInput` if it is too long.
pub fn seal(request: &Request) -> io::Result<OwnedFd> {
    let bytes = serde_json::to_vec(request)?;
    if MAX_REQUEST_BYTES < bytes.len() as u64 {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the command is too long"));
    }
    sealed("request", &bytes)
}

/// The request that was sealed.
///
/// # Errors
/// The system's, or that it is no request.
pub fn unseal(descriptor: OwnedFd) -> io::Result<Request> {
    let mut bytes = Vec::new();
    File::from(descriptor).take(MAX_REQUEST_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Where a program lies that was handed over as a descriptor.
const DESCRIPTORS: &str = "/proc/self/fd/";

/// The path by which a program is executed that was handed over as a descriptor of that number.
#[must_use]
pub fn program(number: i32) -> String {
    format!("{DESCRIPTORS}{number}")
}

/// The descriptor that a program was executed from; `None` if it was executed from a file with a name.
#[must_use]
pub fn descriptor(program: &OsStr) -> Option<i32> {
    let number = program.to_str()?.strip_prefix(DESCRIPTORS)?.parse().ok()?;
    (2 < number).then_some(number)
}

/// Identity of an executable: the same file, whatever path leads to it, and the same version of what is agreed on.
#[must_use]
pub fn build(file: &Metadata) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{version}/{POLICY}/{:x}.{:x}.{:x}", file.ino(), file.size(), file.mtime())
}

/// Identity of an executable that was copied: what a copy keeps.
#[must_use]
pub fn build_of_copy(file: &Metadata) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{version}/{POLICY}/{:x}.{:x}", file.size(), file.mtime())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_travels_with_its_descriptors() {
        let (here, there) = pair().unwrap();
        let request = Request {
            argv: vec![String::from("sh"), "x".repeat(100_000)],
            env: BTreeMap::from([(String::from("A"), String::from("b"))]),
            directory: None,
            stdin: Some(String::from("/run/f")),
            timeout: 5,
        };
        let (memory, null) = (seal(&request).unwrap(), File::open("/dev/null").unwrap());
        send(&here, &Order::Run, &[memory.as_fd(), null.as_fd()]).unwrap();
        let (order, mut descriptors) = receive::<Order>(&there).unwrap().unwrap();
        assert_eq!((order, descriptors.len()), (Order::Run, 2));
        assert_eq!(unseal(descriptors.remove(0)).unwrap(), request);
        drop(here);
        assert!(receive::<Order>(&there).unwrap().is_none());
    }

    #[test]
    fn a_program_in_memory_has_a_path_and_others_have_no_descriptor() {
        assert_eq!(descriptor(program(9).as_ref()), Some(9));
        for other in ["/run/self-harness/init", "/proc/self/fd/", "/proc/self/fd/x", "/proc/self/fd/1", "9"] {
            assert_eq!(descriptor(other.as_ref()), None, "{other}");
        }
    }

    #[test]
    fn sealed_memory_stays_as_it_is() {
        let memory = sealed("test", b"text").unwrap();
        let mut file = File::from(memory);
        assert!(file.write_all(b"other").is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn esc_81_what_is_no_report_is_an_error() {
        let (here, there) = pair().unwrap();
        send(&here, &"Finished", &[]).unwrap();
        assert!(receive::<Report>(&there).is_err());
        send(&here, &serde_json::json!({"Finished": {"code": "0"}}), &[]).unwrap();
        assert!(receive::<Report>(&there).is_err());
        assert!(send(&here, &"x".repeat(MAX_MESSAGE_BYTES), &[]).is_err());
    }
}
