//! What was left out of a finished message.

use std::fmt;

/// Something that [`Message::from_eml`](crate::Message::from_eml) left out of a finished message, since it does not
/// belong on the wire. Bcc is left out as well, which needs no note: whoever writes one expects that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmlNote {
    /// A byte order mark in front of the header.
    ByteOrderMark,
    /// Lines in front of the header with which a mailbox file separates messages (RFC 4155).
    MailboxSeparator,
    /// Return-Path: only the server that delivers a message finally writes one (RFC 5321 §4.4).
    ReturnPath,
}

impl EmlNote {
    const ALL: [Self; 3] = [Self::ByteOrderMark, Self::MailboxSeparator, Self::ReturnPath];
}

impl fmt::Display for EmlNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "the byte order mark in front of the message was left out",
            Self::MailboxSeparator => {
                "the line \"From …\" in front of the message, which separates messages in a mailbox file, was left out"
            }
            Self::ReturnPath => {
                "the field Return-Path was left out: the server that delivers the message writes it (RFC 5321 §4.4)"
            }
        })
    }
}

/// A set of notes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EmlNotes(u8);

impl EmlNotes {
    pub(crate) fn add(&mut self, note: EmlNote) {
        self.0 |= 1 << note as u8;
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = EmlNote> {
        EmlNote::ALL.into_iter().filter(move |note| self.0 & (1 << *note as u8) != 0)
    }
}
