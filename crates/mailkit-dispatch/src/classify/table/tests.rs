//! Each row of the table by an example, and what no row may do.

use super::super::{Refusal, classify};
use super::*;

const ROUTE: Subject = Subject::Route;
const SENDER: Subject = Subject::Sender;
const MESSAGE: Subject = Subject::Message;

fn refusal(reply: &str) -> Refusal<'_> {
    let (code, rest) = reply.split_at(3);
    let rest = rest.trim_start();
    let first = rest.split(' ').next().unwrap_or_default();
    let numbers: Vec<u16> = first.split('.').filter_map(|number| number.parse().ok()).collect();
    let (enhanced, text) = match *numbers {
        [_, subject, detail] => (Some((subject, detail)), rest[first.len()..].trim_start()),
        _ => (None, rest),
    };
    Refusal::new(code.parse().unwrap(), enhanced, text)
}

fn expect(ready: &[(Step, &str, Subject, FailureClass, bool)]) {
    for (step, reply, subject, class, is_permanent) in ready {
        let found = classify(*step, Some(&refusal(reply)));
        let wanted = Disposition { subject: *subject, class: *class, is_permanent: *is_permanent };
        assert_eq!(found, wanted, "{step:?}: {reply}");
    }
}

#[test]
fn a_missing_login_or_tls_is_the_routes_fault_in_every_step() {
    for step in [Mail, Rcpt, Data, Content] {
        for reply in [
            "530 5.7.0 Authentication required",
            "530 5.7.0 Must issue a STARTTLS command first",
            "530 no",
            "534 5.7.9 Application-specific password required",
            "535 5.7.8 Username and Password not accepted",
            "538 5.7.11 Encryption required for requested authentication mechanism",
            "550 5.7.8 no",
            "554 5.7.9 no",
            "550 5.7.11 no",
            "550 5.7.57 Client not authenticated to send mail",
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled",
            "450 4.7.8 temporary authentication failure",
            "432 4.7.12 A password transition is needed",
            "525 5.7.13 User account disabled",
        ] {
            expect(&[(step, reply, ROUTE, FailureClass::Login, false)]);
        }
    }
    for step in [Mail, Rcpt, Data] {
        for reply in [
            "550 5.7.30 Basic authentication is not supported for Client Submission",
            "550 5.7.1 Client was not authenticated",
            "550 5.7.0 Must issue a STARTTLS command first",
            "503 5.5.1 Error: authentication required, log in first",
            "503 5.5.1 must use STARTTLS first",
            "451 4.7.0 TLS required",
            "454 4.7.0 TLS not available due to temporary reason",
            "454 4.7.0 Temporary authentication failure",
        ] {
            expect(&[(step, reply, ROUTE, FailureClass::Login, false)]);
        }
    }
}

#[test]
fn a_limit_of_the_account_is_the_routes_fault_and_never_final() {
    for step in [Mail, Rcpt, Data, Content] {
        for reply in [
            "550 5.4.5 Daily user sending limit exceeded",
            "550 5.4.5 no",
            "452 4.4.5 daily sending limit reached",
            "454 Throttling failure: Daily message quota exceeded.",
            "550 Daily sending quota exceeded",
            "550 Domain example.com has exceeded the max emails per hour (100/100 (100%)) allowed.",
            "550 5.4.6 Unusual sending activity detected",
            "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
        ] {
            expect(&[(step, reply, ROUTE, FailureClass::AccountLimit, false)]);
        }
    }
}

#[test]
fn a_session_that_is_refused_is_the_routes_fault_whatever_the_code() {
    expect(&[
        (Greeting, "554 no SMTP service here", ROUTE, FailureClass::Connection, false),
        (Greeting, "450 later", ROUTE, FailureClass::Closing, false),
        (Ehlo, "550 5.7.1 go away", ROUTE, FailureClass::Connection, false),
        (Ehlo, "501 invalid name", ROUTE, FailureClass::Connection, false),
        (Greeting, "554 5.7.1 too many connections", ROUTE, FailureClass::TooManyConnections, false),
        (Mail, "432 4.3.2 Concurrent connections limit exceeded", ROUTE, FailureClass::TooManyConnections, false),
        (Mail, "432 4.3.2 STOREDRV.ClientSubmit", ROUTE, FailureClass::TooManyConnections, false),
        (StartTls, "454 4.7.0 TLS not available", ROUTE, FailureClass::Login, false),
        (StartTls, "502 no", ROUTE, FailureClass::Login, false),
        (Auth, "454 4.7.0 Temporary authentication failure", ROUTE, FailureClass::Login, false),
        (Auth, "454 4.7.0 Throttling failure: Maximum sending rate exceeded", ROUTE, FailureClass::Rate, false),
        (Auth, "550 5.7.1 no", ROUTE, FailureClass::Login, false),
        (
            Mail,
            "421 4.7.0 mx.example too many concurrent SMTP connections",
            ROUTE,
            FailureClass::TooManyConnections,
            false,
        ),
        (Rcpt, "421 4.3.2 closing", ROUTE, FailureClass::Closing, false),
        (Content, "421 4.3.0 closing", ROUTE, FailureClass::Closing, false),
        (Mail, "503 5.5.1 bad sequence of commands", ROUTE, FailureClass::Connection, false),
        (Mail, "502 not implemented", ROUTE, FailureClass::Connection, false),
        (Mail, "451 4.3.2 maintenance", ROUTE, FailureClass::Closing, false),
        (Mail, "421 4.4.5 Server busy, try again later", ROUTE, FailureClass::Closing, false),
        (Rcpt, "451 4.4.5 congestion", ROUTE, FailureClass::Closing, false),
        (Data, "502 5.5.1 command not implemented", ROUTE, FailureClass::Connection, false),
        (Data, "503 5.5.1 need RCPT", ROUTE, FailureClass::Connection, false),
        (Rcpt, "503 5.5.1 Error: need MAIL command", ROUTE, FailureClass::Connection, false),
        (Rcpt, "503 no", MESSAGE, FailureClass::Permanent, true),
    ]);
    for step in [Step::Connect, Greeting, Mail, Content] {
        assert_eq!(classify(step, None), FailureClass::Connection.into());
    }
    assert_eq!(classify(Step::Tls, None), FailureClass::Login.into());
}

#[test]
fn any_other_refusal_of_mail_is_the_senders_on_this_route() {
    expect(&[
        (Mail, "550 5.7.1 not your address", SENDER, FailureClass::SenderRefused, true),
        (
            Mail,
            "550 5.7.60 Client does not have permissions to send as this sender",
            SENDER,
            FailureClass::SenderRefused,
            true,
        ),
        (Mail, "553 5.1.8 domain does not exist", SENDER, FailureClass::SenderRefused, true),
        (Mail, "501 5.1.7 bad address", SENDER, FailureClass::SenderRefused, true),
        (Mail, "550 null sender not accepted", SENDER, FailureClass::SenderRefused, true),
        (Mail, "451 4.1.8 domain cannot be found", SENDER, FailureClass::SenderRefused, false),
        (Mail, "452 4.3.1 Insufficient system storage", SENDER, FailureClass::SenderRefused, false),
        (Mail, "552 5.7.1 not your address", SENDER, FailureClass::SenderRefused, true),
        (Mail, "450 4.7.1 greylisted", SENDER, FailureClass::Greylisted, false),
        (
            Rcpt,
            "553 5.7.1 <a@b>: Sender address rejected: not owned by user ann",
            SENDER,
            FailureClass::SenderRefused,
            true,
        ),
        (
            Rcpt,
            "450 4.1.8 <a@b>: Sender address rejected: Domain not found",
            SENDER,
            FailureClass::SenderRefused,
            false,
        ),
        (Rcpt, "554 5.7.1 <bob@x>: Relay access denied", SENDER, FailureClass::SenderRefused, true),
        (Content, "550 5.1.8 bad outbound sender", SENDER, FailureClass::SenderRefused, true),
    ]);
}

#[test]
fn a_size_or_parameter_refused_at_mail_may_go_over_another_route_and_says_nothing_of_the_sender() {
    expect(&[
        (Mail, "552 message size exceeds fixed maximum message size", SENDER, FailureClass::Unsupported, true),
        (Mail, "555 5.5.4 unsupported parameter", SENDER, FailureClass::Unsupported, true),
        (Mail, "504 parameter not implemented", SENDER, FailureClass::Unsupported, true),
    ]);
}

#[test]
fn a_recipient_or_the_message_is_refused_at_rcpt_and_behind_the_content() {
    expect(&[
        (Rcpt, "550 5.1.1 no such user", MESSAGE, FailureClass::Permanent, true),
        (Rcpt, "550 5.7.1 not allowed", MESSAGE, FailureClass::Permanent, true),
        (Rcpt, "450 4.2.0 <a@b>: Recipient address rejected: Greylisted", MESSAGE, FailureClass::Greylisted, false),
        (Rcpt, "452 4.2.2 The recipient's inbox is out of storage space", MESSAGE, FailureClass::MailboxFull, false),
        (Rcpt, "452 full", MESSAGE, FailureClass::MailboxFull, false),
        (Rcpt, "552 5.2.2 Mailbox full", MESSAGE, FailureClass::Permanent, true),
        (Rcpt, "450 4.2.1 The user is receiving mail at a rate; rate limited", MESSAGE, FailureClass::Rate, false),
        (Rcpt, "450 4.7.1 rate limit exceeded", ROUTE, FailureClass::Rate, false),
        (Rcpt, "451 4.3.0 local error", MESSAGE, FailureClass::Temporary, false),
        (Content, "452 4.2.2 over quota", MESSAGE, FailureClass::MailboxFull, false),
        (Content, "452 4.3.1 Insufficient system storage", MESSAGE, FailureClass::Temporary, false),
        (Content, "451 4.3.0 Local error in processing", MESSAGE, FailureClass::Temporary, false),
        (Content, "451 4.7.1 slow down", ROUTE, FailureClass::Rate, false),
        (Content, "554 5.7.9 Message not accepted for policy reasons", MESSAGE, FailureClass::Permanent, true),
        (
            Content,
            "550 5.7.26 Unauthenticated email is not accepted due to its DMARC policy",
            MESSAGE,
            FailureClass::Permanent,
            true,
        ),
        (Content, "554 5.7.1 spam", MESSAGE, FailureClass::Permanent, true),
        (Data, "554 5.5.1 no valid recipients", MESSAGE, FailureClass::Permanent, true),
        (Mail, "552 5.3.4 message too large", MESSAGE, FailureClass::Permanent, true),
        (Content, "554 5.4.6 too many hops", MESSAGE, FailureClass::Permanent, true),
        (Mail, "550 5.6.7 header error", MESSAGE, FailureClass::Permanent, true),
        (Content, "451 4.6.0 unclear", MESSAGE, FailureClass::Temporary, false),
    ]);
}

#[test]
fn too_many_recipients_is_about_the_transaction_and_never_final() {
    let found = |reply, others_accepted| {
        let refusal = Refusal { others_accepted, ..refusal(reply) };
        let found = classify(Rcpt, Some(&refusal));
        (found.class, found.is_permanent)
    };
    for reply in ["452 4.5.3 too many recipients", "552 5.5.3 no", "452 too many recipients", "452 no", "552 no"] {
        assert_eq!(found(reply, true), (FailureClass::TooManyRecipients, false), "{reply}");
    }
    for reply in ["452 4.5.3 too many recipients", "550 5.5.3 no"] {
        assert_eq!(found(reply, false), (FailureClass::TooManyRecipients, false), "{reply}");
    }
    assert_eq!(found("452 4.2.2 full", true), (FailureClass::MailboxFull, false));
    assert_eq!(found("552 5.2.2 full", true), (FailureClass::Permanent, true));
    assert_eq!(found("552 no", false), (FailureClass::Permanent, true));
}

#[test]
fn every_reply_in_every_step_has_one_subject_and_a_fault_of_the_route_is_never_final() {
    for step in Step::ALL {
        for code in 400..600 {
            for enhanced in [None, Some((0, 0)), Some((1, 1)), Some((4, 5)), Some((7, 1)), Some((7, 8))] {
                let found = classify(step, Some(&Refusal::new(code, enhanced, "text")));
                assert!(found.subject != ROUTE || !found.is_permanent, "{step:?} {code} {enhanced:?}");
                assert!(found.subject == ROUTE || step >= Mail, "{step:?} {code} {enhanced:?}");
                assert!(!found.is_permanent || code >= 500, "{step:?} {code}");
                if matches!(code, 421 | 530 | 534 | 535 | 538) {
                    assert_eq!(found.subject, ROUTE, "{step:?} {code}");
                }
            }
        }
    }
}
