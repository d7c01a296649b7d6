//! Descriptors from one process to another, over a Unix socket.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Sends a copy of `descriptor` behind what was written before.
///
/// # Errors
/// The operating system's.
pub fn send_descriptor(over: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    // One byte for each descriptor, so that the other side can tell them apart.
    sendmsg(over, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Receives one descriptor, which must be the next thing to come.
///
/// # Errors
/// The operating system's, and `InvalidData` when something else came.
pub fn receive_descriptor(over: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(over, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    #[test]
    fn descriptors_come_in_order_between_the_bytes() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"two files\n").unwrap();
        for text in ["first", "second"] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.rewind().unwrap();
            send_descriptor(&one, file.as_fd()).unwrap();
        }
        one.write_all(b"end").unwrap();
        let mut line = [0; 10];
        other.read_exact(&mut line).unwrap();
        for text in ["first", "second"] {
            let mut read = String::new();
            File::from(receive_descriptor(&other).unwrap()).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
        assert!(receive_descriptor(&other).is_err(), "bytes without a descriptor");
    }
}
