//! Recipients beyond what a server takes in one transaction: whether there is to be another round, and for which of them.

use std::num::NonZeroU32;

use mailkit_address::Address;
use mailkit_dispatch::{Disposition, FailureClass};
use mailkit_smtp::{Report, Status};

use crate::fault::faults_of;

/// What a further transaction is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// The recipients that the server did not take for the number of them.
    pub(crate) rest: Vec<Address>,
    /// How many it took: the most for each further transaction of this message.
    pub(crate) max: NonZeroU32,
    pub(crate) evidence: Evidence,
}

/// What the refusals say of the server's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing: it may have been a full mailbox (`452 4.2.2`, or a single plain 452).
    None,
    /// From some recipient on, the server took nobody.
    Likely,
    /// The server says so (x.5.3).
    Stated,
}

/// The further round that this outcome asks for: somebody was accepted, and others were refused for the number of
/// recipients. A round in which nobody was accepted is a failure like any other.
pub(crate) fn further_round(report: &Report) -> Option<Round> {
    if report.is_accepted() || report.accepted().next().is_none() {
        return None;
    }
    let faults = faults_of(report);
    let is_too_many =
        |fault: &Option<Disposition>| fault.is_some_and(|fault| fault.class == FailureClass::TooManyRecipients);
    let first = faults.iter().position(is_too_many)?;
    let accepted =
        |statuses: &[mailkit_smtp::RecipientReport]| statuses.iter().filter(|entry| entry.status.is_accepted()).count();
    let (before, behind) = report.recipients.split_at(first);
    let count = match accepted(before) {
        0 => accepted(behind),
        count => count,
    };
    let entries = report.recipients.iter().zip(&faults);
    let rest: Vec<Address> =
        entries.filter(|(_, fault)| is_too_many(fault)).map(|(entry, _)| entry.address.clone()).collect();
    let is_stated = |status: &Status| {
        let enhanced = status.reply().and_then(|reply| reply.enhanced());
        enhanced.is_some_and(|enhanced| (enhanced.subject(), enhanced.detail()) == (5, 3))
    };
    let evidence = match behind.first() {
        Some(entry) if is_stated(&entry.status) => Evidence::Stated,
        _ if rest.len() > 1 && accepted(behind) == 0 => Evidence::Likely,
        _ => Evidence::None,
    };
    Some(Round { rest, max: NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX))?, evidence })
}

#[cfg(test)]
mod tests {
    use mailkit_smtp::{EnhancedStatus, RecipientReport, Reply, ReplyCode, Step};

    use super::*;

    /// A report of replies to RCPT, such as `250`, `452` or `452 4.5.3`.
    fn report(replies: &[&str]) -> Report {
        let entry = |(number, reply): (usize, &&str)| {
            let (code, enhanced) = reply.split_once(' ').unwrap_or((reply, ""));
            let code = ReplyCode::new(code.parse().unwrap()).unwrap();
            let parts: Vec<u16> = enhanced.split('.').filter_map(|part| part.parse().ok()).collect();
            let enhanced = match parts[..] {
                [class, subject, detail] => EnhancedStatus::new(u8::try_from(class).unwrap(), subject, detail),
                _ => None,
            };
            let reply = Reply::new(code, enhanced, "text");
            let status = match reply.is_success() {
                true => Status::Accepted(reply),
                false => Status::Refused { step: Step::Rcpt, reply },
            };
            RecipientReport::new(Address::parse(&format!("to{number}@example.org")).unwrap(), status)
        };
        Report::new(replies.iter().enumerate().map(entry).collect(), 1)
    }

    /// For how many there is another round, how many are taken in it, and what that says of the server.
    fn round(replies: &[&str]) -> Option<(usize, u32, Evidence)> {
        further_round(&report(replies)).map(|round| (round.rest.len(), round.max.get(), round.evidence))
    }

    #[test]
    fn recipients_refused_behind_accepted_ones_go_in_a_further_round() {
        use Evidence::{Likely, None as No, Stated};
        type Wanted = Option<(usize, u32, Evidence)>;
        let cases: [(&[&str], Wanted); 14] = [
            (&["250", "250", "452", "452"], Some((2, 2, Likely))),
            (&["250", "250", "552", "552"], Some((2, 2, Likely))),
            (&["250", "250", "452 4.5.3", "452 4.5.3"], Some((2, 2, Stated))),
            (&["250", "250", "552 5.5.3"], Some((1, 2, Stated))),
            (&["250", "451 4.5.3"], Some((1, 1, Stated))),
            (&["250", "550 5.5.3"], Some((1, 1, Stated))),
            // One plain 452 may be a full mailbox: it has another round, and says nothing of the server.
            (&["250", "452"], Some((1, 1, No))),
            (&["250", "452", "250", "452"], Some((2, 1, No))),
            // Whoever is refused for another reason has no part in it.
            (&["250", "550 5.1.1", "250", "452", "550 5.1.1", "452"], Some((2, 2, Likely))),
            (&["250", "452 4.2.2", "450"], None),
            (&["250", "552 5.2.2", "550"], None),
            // Nobody was accepted.
            (&["452", "452"], None),
            (&["452 4.5.3", "550"], None),
            (&["250", "250"], None),
        ];
        for (replies, wanted) in cases {
            assert_eq!(round(replies), wanted, "{replies:?}");
        }
    }

    #[test]
    fn a_round_whose_content_was_refused_has_accepted_nobody() {
        let mut refused = report(&["250", "452"]);
        let reply = Reply::new(ReplyCode::new(451).unwrap(), None, "later");
        refused.recipients[0].status = Status::Refused { step: Step::Content, reply };
        assert_eq!(further_round(&refused), None);
    }
}
