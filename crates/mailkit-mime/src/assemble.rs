//! From the fields of a draft to a message: reads them all, then writes them in order.

mod fields;
mod problems;
mod structure;

use mailkit_address::{Address, Envelope, ReversePath};

use self::fields::Fields;
use self::problems::Problems;
use crate::builder::{Draft, Refused, read_mailbox};
use crate::content::SMALL;
use crate::eml::EmlNotes;
use crate::encoded::{BodyKind, Capabilities};
use crate::error::{BuildErrors, FieldProblem};
use crate::header::message_id::MessageId;
use crate::layout::lay_out;
use crate::message::{Form, Message, Parts, Tree};
use crate::part::{Node, prepare};
use crate::stamps::Stamps;

pub(crate) fn assemble(mut draft: Box<Draft>, stamps: Stamps) -> Result<Message, BuildErrors> {
    let mut problems = Problems::default();
    let given_id = draft.message_id.take();
    let fields = Fields::read(&draft, given_id, stamps, &mut problems);
    let reverse_path = reverse_path(draft.further().envelope_from.as_deref(), &mut problems);
    // Written even when something is wrong: what cannot be folded is reported along with it.
    let mut head = Vec::with_capacity(room_for(&draft));
    fields.write(&mut head, &mut problems);
    let (message_id, needs_utf8) = (fields.message_id, fields.needs_utf8);
    let (mut nodes, depth) = structure::choose(&mut draft, problems.found()).into_nodes();
    prepare(nodes.as_mut_slice(), problems.found());
    if let Some(further) = draft.further.as_deref() {
        problems.check_first_part(further, nodes.as_slice().first());
    }
    if problems.any() {
        return Err(problems.into_errors());
    }
    let subject = draft.subject.take();
    let Some(envelope) = envelope(*draft, reverse_path) else {
        return Err(problems.into_errors());
    };
    if !matches!(nodes.as_slice(), [Node::Nothing]) {
        head.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    let header_length = head.len();
    let (layout, kind) = lay_out(head, nodes.as_slice(), stamps.unique(), Capabilities::default());
    Ok(Message::from(Parts {
        needs_smtp_utf8: needs_utf8 || has_utf8_sender(&envelope),
        envelope,
        message_id: message_id.map(MessageId::into_string),
        needs_8bit: needs_utf8 || kind != BodyKind::SevenBit,
        content: layout.finish(),
        subject,
        notes: EmlNotes::default(),
        form: Form::Built(Tree { nodes, depth, unique: stamps.unique(), header_length }),
    }))
}

/// Whether the reverse path needs SMTPUTF8. A recipient that does concerns nobody else: a server without it can still be
/// given the message for the others.
pub(crate) fn has_utf8_sender(envelope: &Envelope) -> bool {
    envelope.reverse_path().address().is_some_and(Address::needs_smtp_utf8)
}

/// Room for a header, and for the text and HTML that are written behind it at once.
fn room_for(draft: &Draft) -> usize {
    /// What most headers take, and no more than an allocator keeps at hand.
    const HEADER: usize = 1000;
    let texts = [&draft.text, &draft.html].into_iter().flatten().map(String::len);
    let small = texts.filter(|&length| length as u64 <= SMALL).sum::<usize>();
    if small == 0 { HEADER } else { HEADER + small + small / 4 }
}

/// Where reports go, if it was said.
fn reverse_path(text: Option<&str>, problems: &mut Problems) -> Option<ReversePath> {
    let text = text?;
    match text.trim_matches(' ') {
        "" | "<>" => Some(ReversePath::Null),
        _ => match read_mailbox(text) {
            Ok(mailbox) => Some(mailbox.into_address().into()),
            // A control character was found before.
            Err(Refused { problem: FieldProblem::ControlCharacter { .. }, .. }) => None,
            Err(refused) => {
                problems.refuse("envelope from", &refused);
                None
            }
        },
    }
}

/// The envelope that the fields make.
fn envelope(draft: Draft, reverse_path: Option<ReversePath>) -> Option<Envelope> {
    let (sender, recipients) = draft.into_sender_and_recipients();
    let sender = || sender.map(|mailbox| mailbox.into_address().into());
    Envelope::for_list(reverse_path.or_else(sender)?, recipients).ok()
}
