//! Exit codes, after `sysexits.h`.

use std::process::ExitCode;

use mailkit::connection::{TlsBlame, TlsError};
use mailkit::dispatch::{Disposition, FailureClass};
use mailkit::{Error, ErrorKind, Report, faults_of};

/// How the command ends. The numbers are fixed: scripts decide by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Every recipient was accepted, or what was asked for was done.
    Done = 0,
    /// The arguments make no sense.
    Usage = 64,
    /// A message or an address makes no sense.
    Data = 65,
    /// An input file cannot be read, or a queue is not there.
    NoInput = 66,
    /// The host has no address.
    NoHost = 68,
    /// Refused for good.
    Refused = 69,
    /// The network broke or took too long; also where nobody can know if the message was delivered.
    Network = 74,
    /// Refused for now; also by a queue that is full, or out of reach.
    Temporary = 75,
    /// The peer does not speak the protocol.
    Protocol = 76,
    /// The login or a certificate was refused, a login or TLS is missing, or TLS was asked for and is not to be had.
    NoPermission = 77,
    /// The settings make no sense, or a queue's store is not as it should be.
    Configuration = 78,
    /// Ended by SIGHUP before it was done; this and the next two as a shell counts what a signal has ended.
    HungUp = 129,
    /// Ended by SIGINT before it was done.
    Interrupted = 130,
    /// Ended by SIGTERM before it was done.
    Terminated = 143,
}

impl Exit {
    /// The code for an error of the library.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Configuration
            | ErrorKind::StoreDamaged
            | ErrorKind::StoreIncompatible
            | ErrorKind::StoreUnusable => Self::Configuration,
            ErrorKind::StoreMissing => Self::NoInput,
            ErrorKind::Message | ErrorKind::Conflict => Self::Data,
            ErrorKind::HostUnknown => Self::NoHost,
            ErrorKind::Tls => source_of(error).map_or(Self::NoPermission, Self::of_tls_error),
            ErrorKind::Login => Self::NoPermission,
            ErrorKind::Protocol => Self::Protocol,
            ErrorKind::Refused if error.is_temporary() => Self::Temporary,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Busy | ErrorKind::QueueFull | ErrorKind::StoreUnavailable => Self::Temporary,
            _ => Self::Network,
        }
    }

    fn of_tls_error(error: &TlsError) -> Self {
        match error.blame() {
            TlsBlame::Peer => Self::Protocol,
            TlsBlame::Network => Self::Network,
            TlsBlame::Caller => Self::Configuration,
            _ => Self::NoPermission,
        }
    }

    /// The code for what became of the recipients: a refusal for good outweighs an open end, and that one a refusal
    /// for now.
    pub(crate) fn of_report(report: &Report) -> Self {
        let faults = faults_of(report);
        let any = |wanted: fn(&Disposition) -> bool| faults.iter().flatten().any(wanted);
        if any(|fault| fault.is_permanent || fault.class == FailureClass::Capability) {
            Self::Refused
        } else if report.is_ambiguous() {
            Self::Network
        } else if report.is_accepted() {
            Self::Done
        } else if any(|fault| fault.class == FailureClass::Login) {
            Self::NoPermission
        } else {
            Self::Temporary
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The error of this type below an error, if there is one.
pub(crate) fn source_of<E: std::error::Error + 'static>(error: &Error) -> Option<&E> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(source) = next {
        if let Some(found) = source.downcast_ref() {
            return Some(found);
        }
        next = source.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkit::smtp::ReplyCode;
    use mailkit::{Address, RecipientReport, Reply, Status, Step};

    fn report(statuses: Vec<Status>) -> Report {
        let address = Address::parse("bob@example.org").unwrap();
        Report::new(statuses.into_iter().map(|status| RecipientReport::new(address.clone(), status)).collect(), 1)
    }

    fn reply(code: u16) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), None, "words")
    }

    fn refused(code: u16) -> Status {
        Status::Refused { step: Step::Rcpt, reply: reply(code) }
    }

    #[test]
    fn the_gravest_fate_of_a_recipient_decides() {
        let accepted = || Status::Accepted(reply(250));
        for (statuses, wanted) in [
            (vec![accepted(), accepted()], Exit::Done),
            (vec![accepted(), refused(450)], Exit::Temporary),
            (vec![refused(450), refused(550), accepted()], Exit::Refused),
            (vec![Status::Ambiguous, refused(450)], Exit::Network),
            (vec![Status::Ambiguous, refused(550)], Exit::Refused),
            (vec![Status::Unsent], Exit::Temporary),
            (vec![accepted(), refused(530)], Exit::NoPermission),
            (vec![accepted(), refused(552)], Exit::Temporary),
        ] {
            assert_eq!(Exit::of_report(&report(statuses.clone())), wanted, "{statuses:?}");
        }
    }

    #[test]
    fn a_bad_url_is_bad_configuration() {
        let error = mailkit::Mailer::from_url("smtp://host?tsl=none").unwrap_err();
        assert_eq!(Exit::of_error(&error), Exit::Configuration);
    }
}
