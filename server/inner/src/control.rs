//! The inner end of the road to the worker: a socket that passes descriptors, or frames over the standard streams. With
//! frames the first process carries the output of commands itself, such that nobody who does not read stops it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;

use crate::frames::{self, Decoder, Kind};
use crate::wire::{self, Order, Report, Request, Setup};

/// How long output is still carried after its command has ended.
const AFTERGLOW: Duration = Duration::from_millis(500);
/// What a background process may print after its command has ended.
const LEFTOVER_BYTES: u64 = 1 << 30;

/// The road to the worker.
pub(super) enum Control {
    /// The socket that bubblewrap hands on.
    Socket(OwnedFd),
    /// The standard streams of a container.
    Line(Line),
}

/// What the worker said.
pub(super) enum Heard {
    /// Nothing whole yet.
    Nothing,
    /// It is gone.
    Gone,
    /// The command is to be ended.
    Stop,
    /// A command is to be run, or why it cannot be understood.
    Run(io::Result<Work>),
}

/// A command with the ends that it prints to.
pub(super) struct Work {
    pub(super) request: Request,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Frames over two pipes.
pub(super) struct Line {
    input: File,
    output: File,
    decoder: Decoder,
    streams: Vec<Stream>,
    number: u32,
    ended: Option<Instant>,
}

/// One stream of a command that runs, or has run.
struct Stream {
    pipe: File,
    number: u32,
    kinds: (Kind, Kind),
    leftover: u64,
}

impl Control {
    /// What is to be watched; orders come from the first.
    pub(super) fn watched(&self) -> Vec<PollFd<'_>> {
        match self {
            Self::Socket(socket) => vec![PollFd::new(socket, PollFlags::IN)],
            Self::Line(line) => {
                let streams = line.streams.iter().map(|stream| PollFd::new(&stream.pipe, PollFlags::IN));
                std::iter::once(PollFd::new(&line.input, PollFlags::IN)).chain(streams).collect()
            }
        }
    }

    /// Says that everything was checked, and hands over the sockets of the roads that there are.
    ///
    /// # Errors
    /// The system's, if the worker is gone.
    pub(super) fn ready(&mut self, build: String, listeners: &[TcpListener]) -> io::Result<()> {
        match self {
            Self::Socket(socket) => {
                let handed: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
                wire::send(&*socket, &Report::Ready { build }, &handed)
            }
            Self::Line(line) => line.report(&Report::Ready { build }),
        }
    }

    /// Reports; what was printed before goes first.
    ///
    /// # Errors
    /// The system's, if the worker is gone.
    pub(super) fn report(&mut self, report: &Report) -> io::Result<()> {
        match self {
            Self::Socket(socket) => wire::send(&*socket, report, &[]),
            Self::Line(line) => {
                line.pump()?;
                line.ended = Some(Instant::now());
                line.report(report)
            }
        }
    }

    /// Takes what the worker says, when there is something.
    ///
    /// # Errors
    /// The system's, or that it is no order.
    pub(super) fn hear(&mut self) -> io::Result<Heard> {
        match self {
            Self::Socket(socket) => hear_socket(socket),
            Self::Line(line) => {
                let mut buffer = [0; 32 * 1024];
                match line.input.read(&mut buffer) {
                    Ok(0) => return Ok(Heard::Gone),
                    Ok(read) => line.decoder.push(buffer.get(..read).unwrap_or_default()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                line.next()
            }
        }
    }

    /// The next order that has come already.
    ///
    /// # Errors
    /// As [`Control::hear`].
    pub(super) fn heard(&mut self) -> io::Result<Heard> {
        match self {
            Self::Socket(_) => Ok(Heard::Nothing),
            Self::Line(line) => line.next(),
        }
    }

    /// Carries what commands have printed.
    ///
    /// # Errors
    /// The system's, if the worker is gone.
    pub(super) fn pump(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(_) => Ok(()),
            Self::Line(line) => line.pump(),
        }
    }
}

fn hear_socket(socket: &OwnedFd) -> io::Result<Heard> {
    let Some((order, descriptors)) = wire::receive::<Order>(socket)? else { return Ok(Heard::Gone) };
    match order {
        Order::Stop => Ok(Heard::Stop),
        Order::Run => Ok(Heard::Run((|| {
            let [request, stdout, stderr]: [OwnedFd; 3] =
                descriptors.try_into().map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
            Ok(Work { request: wire::unseal(request)?, stdout, stderr })
        })())),
    }
}

impl Line {
    /// Takes the standard streams, and waits for what the first process is told.
    ///
    /// # Errors
    /// The system's, or that something else came.
    pub(super) fn open() -> io::Result<(Self, Setup)> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let mut line =
            Self { input, output, decoder: Decoder::default(), streams: Vec::new(), number: 0, ended: None };
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = line.decoder.take()? {
                if frame.kind != Kind::Setup {
                    return Err(ErrorKind::InvalidData.into());
                }
                return Ok((line, serde_json::from_slice(&frame.content)?));
            }
            match line.input.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => line.decoder.push(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn report(&mut self, report: &Report) -> io::Result<()> {
        self.output.write_all(&frames::encode(Kind::Report, self.number, &serde_json::to_vec(report)?)?)
    }

    fn next(&mut self) -> io::Result<Heard> {
        let Some(frame) = self.decoder.take()? else { return Ok(Heard::Nothing) };
        match frame.kind {
            Kind::Stop => Ok(Heard::Stop),
            Kind::Run => {
                self.number = frame.number;
                self.ended = None;
                Ok(Heard::Run(self.work(&frame.content)))
            }
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn work(&mut self, request: &[u8]) -> io::Result<Work> {
        let request = serde_json::from_slice(request)?;
        let stdout = self.stream((Kind::Stdout, Kind::StdoutEnd))?;
        let stderr = self.stream((Kind::Stderr, Kind::StderrEnd))?;
        Ok(Work { request, stdout, stderr })
    }

    fn stream(&mut self, kinds: (Kind, Kind)) -> io::Result<OwnedFd> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&read, rustix::fs::OFlags::NONBLOCK)?;
        self.streams.push(Stream { pipe: File::from(read), number: self.number, kinds, leftover: 0 });
        Ok(write)
    }

    /// Carries what is there; no more than a few pieces of each stream, so that orders and deadlines have their turn.
    fn pump(&mut self) -> io::Result<()> {
        let mut buffer = [0; 32 * 1024];
        let (number, output) = (self.number, &mut self.output);
        let is_past = self.ended.is_some_and(|ended| AFTERGLOW < ended.elapsed());
        let mut failed = None;
        self.streams.retain_mut(|stream| {
            let is_leftover = stream.number != number || is_past;
            for _ in 0..4 {
                match stream.pipe.read(&mut buffer) {
                    Ok(0) => {
                        let end = frames::encode(stream.kinds.1, stream.number, &[]);
                        failed = end.and_then(|end| output.write_all(&end)).err().or(failed.take());
                        return false;
                    }
                    // Who still prints goes on, and is not heard any more.
                    Ok(read) if is_leftover => {
                        stream.leftover += read as u64;
                        if LEFTOVER_BYTES < stream.leftover {
                            return false;
                        }
                    }
                    Ok(read) => {
                        let piece = buffer.get(..read).unwrap_or_default();
                        let frame = frames::encode(stream.kinds.0, stream.number, piece);
                        failed = frame.and_then(|frame| output.write_all(&frame)).err().or(failed.take());
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
            }
            true
        });
        failed.map_or(Ok(()), Err)
    }
}
