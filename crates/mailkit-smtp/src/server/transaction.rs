//! MAIL, RCPT, DATA and BDAT: what is in order, what is asked, and where the answers lead.

use mailkit_address::{ForwardPath, ReversePath};

use super::state::{Back, Chunk, Open, Progress, State, Transaction};
use super::stock::{self, Stock};
use super::{Question, Server};
use crate::client::Protocol;
use crate::content::StuffedDecoder;
use crate::parameter::{Body, Hold, MailParameters, RcptParameters};
use crate::{Extensions, Reply, SizeLimit};

impl Server {
    pub(super) fn handle_mail(&mut self, path: ReversePath, parameters: MailParameters) -> Progress {
        if let Some(refusal) = self.refuse_mail(&path, &parameters) {
            self.mail_refused = true;
            return self.refuse_with(&refusal);
        }
        let limit = self.config.extensions.limits.mail_max;
        if limit.is_some_and(|most| self.begun >= most) {
            self.mail_refused = true;
            return self.agree(stock::TOO_MANY_MESSAGES);
        }
        let transaction = Transaction {
            binary: parameters.body == Some(Body::BinaryMime),
            smtp_utf8: parameters.smtp_utf8,
            ..Transaction::default()
        };
        Progress::Event(self.ask(Open::Mail(transaction), Question::Mail { path, parameters }))
    }

    fn refuse_mail(&self, path: &ReversePath, parameters: &MailParameters) -> Option<Reply> {
        let refusal = if !matches!(self.state, State::ExpectCommand) {
            stock::HELLO_FIRST
        } else if self.transaction.is_some() {
            stock::MAIL_TWICE
        } else if self.config.require_tls && !self.secured {
            stock::TLS_FIRST
        } else if self.config.require_login && self.user.is_none() {
            stock::LOGIN_FIRST
        } else if let Some(keyword) = foreign_to_mail(&self.offered, parameters) {
            return Some(stock::BAD_PARAMETER.with_text(&format!("{keyword} is not offered")));
        } else if self.limit_of_size().zip(parameters.size).is_some_and(|(limit, size)| size > limit) {
            stock::TOO_LARGE
        } else if self.is_held_too_long(parameters) {
            stock::HOLD_TOO_LONG
        } else if path.address().is_some_and(mailkit_address::Address::needs_smtp_utf8) && !parameters.smtp_utf8 {
            stock::NOT_ASCII
        } else {
            return None;
        };
        Some(refusal.to_reply())
    }

    fn is_held_too_long(&self, parameters: &MailParameters) -> bool {
        match (&parameters.hold, &self.offered.future_release) {
            (Some(Hold::For(seconds)), Some(release)) => *seconds > release.max_interval,
            _ => false,
        }
    }

    /// The limit holds whether it was told (EHLO) or not (HELO).
    pub(super) const fn limit_of_size(&self) -> Option<u64> {
        match self.config.extensions.size {
            Some(SizeLimit::Octets(octets)) => Some(octets),
            _ => None,
        }
    }

    pub(super) fn handle_rcpt(&mut self, path: ForwardPath, parameters: RcptParameters) -> Progress {
        let Some(transaction) = &self.transaction else { return self.out_of_order(stock::MAIL_FIRST) };
        if transaction.chunks_begun {
            return self.refuse(stock::NOT_NOW);
        }
        if let Some(keyword) = foreign_to_rcpt(&self.offered, &parameters) {
            return self.refuse_with(&stock::BAD_PARAMETER.with_text(&format!("{keyword} is not offered")));
        }
        if path.address().is_some_and(mailkit_address::Address::needs_smtp_utf8) && !transaction.smtp_utf8 {
            return self.refuse(stock::NOT_ASCII);
        }
        let limits = &self.config.extensions.limits;
        let most = |limit: Option<u32>| limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let domain = path.address().map(mailkit_address::Address::domain).filter(|_| limits.rcpt_domain_max.is_some());
        let new_domain = domain.is_some_and(|domain| !transaction.domains.contains(domain));
        let crowded = transaction.recipients >= self.config.max_recipients.min(most(limits.rcpt_max))
            || (new_domain && transaction.domains.len() >= most(limits.rcpt_domain_max));
        if crowded {
            self.note_refused_recipient();
            return self.agree(stock::TOO_MANY_RECIPIENTS);
        }
        Progress::Event(self.ask(Open::Rcpt(domain.cloned()), Question::Rcpt { path, parameters }))
    }

    fn note_refused_recipient(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.refused = true;
        }
    }

    pub(super) fn handle_data(&mut self) -> Progress {
        let Some(transaction) = &self.transaction else { return self.out_of_order(stock::MAIL_FIRST) };
        if transaction.chunks_begun {
            return self.refuse(stock::CHUNKS_BEGUN);
        }
        if transaction.recipients == 0 {
            return self.without_recipients();
        }
        if transaction.binary {
            return self.refuse(stock::BINARY_BY_CHUNKS);
        }
        Progress::Event(self.ask(Open::Data, Question::Data))
    }

    /// RFC 5321 §3.3; RFC 2033 §4.2 for LMTP.
    const fn lacking(&self, refused: bool) -> Stock {
        match (self.config.protocol, refused) {
            (Protocol::Smtp, true) => stock::ALL_REFUSED,
            _ => stock::RCPT_FIRST,
        }
    }

    fn without_recipients(&mut self) -> Progress {
        let refused = self.transaction.as_ref().is_some_and(|transaction| transaction.refused);
        let lacking = self.lacking(refused);
        if refused { self.agree(lacking) } else { self.refuse(lacking) }
    }

    /// RCPT or DATA without MAIL. Behind a MAIL that was refused it is no fault: it was sent unseen.
    fn out_of_order(&mut self, stock: Stock) -> Progress {
        if self.mail_refused { self.agree(stock) } else { self.refuse(stock) }
    }

    /// Whatever is wrong with it, its octets follow, and must not be taken for commands (RFC 3030 §2).
    pub(super) fn handle_bdat(&mut self, size: u64, last: bool) -> Progress {
        let refusal = match &self.transaction {
            _ if matches!(self.state, State::ExpectQuit) => Some(stock::QUIT_ONLY.to_reply()),
            _ if !self.offered.chunking => Some(stock::NOT_HERE.to_reply()),
            None => Some(stock::MAIL_FIRST.to_reply()),
            Some(transaction) if transaction.recipients == 0 => Some(self.lacking(transaction.refused).to_reply()),
            Some(transaction) => transaction.ruined.clone(),
        };
        let consequence = match &self.transaction {
            Some(transaction) => transaction.refused || transaction.ruined.is_some(),
            None => self.mail_refused,
        };
        if refusal.is_some() && !consequence {
            self.errors += 1;
        }
        if let Some(transaction) = self.transaction.as_mut().filter(|_| refusal.is_none()) {
            transaction.chunks_begun = true;
        }
        let back = match self.state {
            State::ExpectHello => Back::Hello,
            State::ExpectQuit => Back::Quit,
            _ => Back::Command,
        };
        self.state = State::ExpectChunk(Chunk { left: size, last, refusal, replies: 1, back });
        Progress::Made
    }

    /// Where the answer to a question about the transaction leads.
    pub(super) fn conclude_transaction(&mut self, open: Open, refusal: Option<Reply>) {
        match (open, refusal) {
            (Open::Mail(transaction), None) => {
                self.transaction = Some(transaction);
                self.mail_refused = false;
                self.begun += 1;
            }
            (Open::Mail(_), Some(_)) => self.mail_refused = true,
            (Open::Rcpt(domain), refusal) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.refused |= refusal.is_some();
                    transaction.recipients += usize::from(refusal.is_none());
                    transaction.domains.extend(domain.filter(|_| refusal.is_none()));
                }
            }
            (Open::Data, None) => {
                self.decoder = StuffedDecoder::default();
                self.state = State::ExpectContent;
            }
            (Open::Chunk, Some(reply)) => self.ruin(reply),
            (Open::Content, refusal) => {
                self.transaction = None;
                if refusal.is_none() {
                    self.errors = 0;
                }
            }
            _ => {}
        }
    }

    /// The message cannot be accepted any more: the caller may forget what it has of it.
    pub(super) fn ruin(&mut self, reply: Reply) {
        if let Some(transaction) = &mut self.transaction {
            transaction.ruined = Some(reply);
            self.reset_due = true;
        }
    }

    /// RSET, or EHLO once more.
    pub(super) fn drop_transaction(&mut self) {
        self.mail_refused = false;
        // The caller has heard already of one that was ruined.
        self.reset_due |= self.transaction.take().is_some_and(|transaction| transaction.ruined.is_none());
    }
}

/// A parameter whose extension is not offered, or that nobody knows.
fn foreign_to_mail<'a>(offered: &Extensions, parameters: &'a MailParameters) -> Option<&'a str> {
    let body = match parameters.body {
        None => true,
        Some(Body::BinaryMime) => offered.binary_mime && offered.chunking,
        Some(_) => offered.eight_bit_mime,
    };
    let known = [
        ("SIZE", parameters.size.is_none() || offered.size.is_some()),
        ("BODY", body),
        ("SMTPUTF8", !parameters.smtp_utf8 || offered.smtp_utf8),
        ("RET", parameters.ret.is_none() || offered.dsn),
        ("ENVID", parameters.envid.is_none() || offered.dsn),
        ("REQUIRETLS", !parameters.require_tls || offered.require_tls),
        ("MT-PRIORITY", parameters.priority.is_none() || offered.mt_priority.is_some()),
        ("HOLDFOR", parameters.hold.is_none() || offered.future_release.is_some()),
        ("AUTH", parameters.auth.is_none() || !offered.auth.is_empty()),
    ];
    let unoffered = known.into_iter().find(|(_, allowed)| !allowed).map(|(keyword, _)| keyword);
    unoffered.or_else(|| parameters.other.first().map(|(keyword, _)| keyword.as_str()))
}

fn foreign_to_rcpt<'a>(offered: &Extensions, parameters: &'a RcptParameters) -> Option<&'a str> {
    let known =
        [("NOTIFY", parameters.notify.is_none() || offered.dsn), ("ORCPT", parameters.orcpt.is_none() || offered.dsn)];
    let unoffered = known.into_iter().find(|(_, allowed)| !allowed).map(|(keyword, _)| keyword);
    unoffered.or_else(|| parameters.other.first().map(|(keyword, _)| keyword.as_str()))
}
