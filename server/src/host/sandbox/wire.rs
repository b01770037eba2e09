//! What the worker and the first process of a sandbox say to each other: small messages over one socket pair, what is
//! large in sealed memory. The worker trusts no answer: each is bounded and read strictly.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

/// The first argument that makes our executable the first process of a sandbox.
pub(super) const INIT: &str = "__sandbox-init";
/// The first argument that makes it the probe.
pub(super) const PROBE: &str = "__sandbox-probe";

/// No message is longer.
const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// No request is longer.
const MAX_REQUEST_BYTES: u64 = 4 << 20;
/// No message has more descriptors.
const MAX_DESCRIPTORS: usize = 3;

/// What the first process is told, before anything else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Identity of the executable.
    pub(super) build: String,
    /// Where files may be written.
    pub(super) writable: Vec<String>,
    /// The directory of commands.
    pub(super) directory: String,
    /// Memory of all processes.
    pub(super) memory_bytes: u64,
    /// Processes and threads.
    pub(super) processes: u64,
    /// The largest file.
    pub(super) file_bytes: u64,
    /// Whether programs inside have a road to the model.
    pub(super) has_model_route: bool,
    /// Whether they have a road to a proxy.
    #[serde(default)]
    pub(super) has_egress_route: bool,
    /// What is different in a container.
    #[serde(default)]
    pub(super) contained: Option<Contained>,
}

/// What the first process of a container is told besides: an engine neither clears variables nor measures trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contained {
    /// All variables of commands.
    pub(super) env: BTreeMap<String, String>,
    /// Bytes of the tree.
    pub(super) disk_bytes: u64,
    /// Files and directories of the tree.
    pub(super) disk_entries: u64,
}

/// A command to run; its output descriptors come with the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// Variables besides those of the sandbox.
    pub(super) env: BTreeMap<String, String>,
    /// Another directory.
    pub(super) directory: Option<String>,
    /// A file that is its standard input.
    pub(super) stdin: Option<String>,
    /// How long it may take, in milliseconds.
    pub(super) timeout: u64,
}

/// From the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Run the request that is in the first descriptor; the others are its outputs.
    Run,
    /// Kill what the command has started.
    Stop,
}

/// From the first process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
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
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Sends a message with descriptors.
pub(super) fn send<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send_with(socket, message, descriptors, SendFlags::empty())
}

/// Sends a message if that can be done at once.
pub(super) fn try_send<T: Serialize>(socket: impl AsFd, message: &T) -> io::Result<()> {
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
pub(super) fn receive<T: for<'a> Deserialize<'a>>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
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
pub(super) fn sealed(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let descriptor = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(descriptor);
    file.write_all(content)?;
    file.seek(SeekFrom::Start(0))?;
    let descriptor = OwnedFd::from(file);
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&descriptor, seals)?;
    Ok(descriptor)
}

/// A request as sealed memory.
pub(super) fn seal(request: &Request) -> io::Result<OwnedFd> {
    let bytes = serde_json::to_vec(request)?;
    if MAX_REQUEST_BYTES < bytes.len() as u64 {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the command is too long"));
    }
    sealed("request", &bytes)
}

/// The request that was sealed.
pub(super) fn unseal(descriptor: OwnedFd) -> io::Result<Request> {
    let mut bytes = Vec::new();
    File::from(descriptor).take(MAX_REQUEST_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Identity of an executable: the same file, whatever path leads to it.
pub(super) fn build(executable: &std::path::Path) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(executable)?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!("{version}/{}/{:x}.{:x}.{:x}", super::POLICY, file.ino(), file.size(), file.mtime()))
}

/// Identity of an executable that was copied: what a copy keeps.
pub(super) fn build_of_copy(executable: &std::path::Path) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(executable)?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!("{version}/{}/{:x}.{:x}", super::POLICY, file.size(), file.mtime()))
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
