//! Fail rules: where, how and how often a sink goes wrong on purpose.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use mailkit_smtp::{EnhancedStatus, Reply, ReplyCode, Step};

/// Where, how and how often a sink goes wrong on purpose.
///
/// A rule is written `STEP=ACTION[,to=GLOB][,from=GLOB][,after=N][,every=N][,rate=P%][,times=N]`.
///
/// STEP is `greeting`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `data` or `content`. `auth` strikes when the
/// credentials were right; `data` strikes at DATA, or where the client uses BDAT, at the end of its first chunk;
/// `content` at the end of the message.
///
/// ACTION is one of
/// - a reply: a code from 400 to 599, maybe an enhanced status, maybe words: `550 5.1.1 no such user`. A 421 ends the
///   session;
/// - `close`: the connection is torn without a word, and the message is not kept;
/// - `lose` (at `content` only): the message is kept, and the connection is torn before the client hears of it;
/// - `hang`: nothing is answered ever again.
///
/// The rest says when. `to` and `from` are globs (`*`, `?`, any case) over the whole address without brackets; `to` is
/// known from `rcpt` on, where behind `rcpt` any recipient of the message will do (in LMTP, at `content`, each
/// recipient has its own verdict); `from` from `mail` on. Of the occasions that fit, the first `after` pass, then each
/// `every`-th counts, of which `rate` percent strike by chance, `times` at the most.
///
/// ```
/// use mailkit_server::FailRule;
///
/// for rule in [
///     "rcpt=550 5.1.1 no such user,to=*@example.org",
///     "mail=451 4.7.1 greylisted, come again,times=1",
///     "content=421,every=100",
///     "content=lose,rate=2.5%",
///     "data=hang,after=10,times=1",
///     "greeting=close,rate=10%",
/// ] {
///     assert_eq!(rule.parse::<FailRule>()?.to_string(), rule);
/// }
/// assert!("content=200".parse::<FailRule>().is_err());
/// # Ok::<(), mailkit_server::FailRuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FailRule {
    step: Step,
    action: Action,
    to: Option<String>,
    from: Option<String>,
    after: u64,
    every: Option<u64>,
    /// Percent.
    rate: Option<f64>,
    times: Option<u64>,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Reply(Reply),
    Close,
    Lose,
    Hang,
}

/// Why a text is no fail rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailRuleError {
    /// No `STEP=ACTION`.
    NoAction,
    /// A step that is not among those of a rule.
    UnknownStep(String),
    /// An action that is none.
    UnknownAction(String),
    /// A reply code that is no refusal.
    NotARefusal(String),
    /// `lose` anywhere but at `content`.
    NothingToLose,
    /// A condition with a value that makes no sense.
    Value {
        /// The condition.
        condition: &'static str,
        /// Its value.
        value: String,
    },
    /// A condition on something that is not known yet at the step.
    TooEarly {
        /// The condition.
        condition: &'static str,
        /// The first step that knows it.
        known_from: &'static str,
    },
}

impl fmt::Display for FailRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAction => f.write_str("a rule begins with STEP=ACTION, such as rcpt=550"),
            Self::UnknownStep(step) => {
                write!(f, "`{step}` is no step: it is one of ")?;
                let names: Vec<&str> = STEPS.iter().map(|step| step.name()).collect();
                f.write_str(&names.join(" "))
            }
            Self::UnknownAction(action) => {
                write!(f, "`{action}` is no action: use a reply such as `550 no such user`, close, lose or hang")
            }
            Self::NotARefusal(code) => write!(f, "{code} is no refusal: use a code from 400 to 599"),
            Self::NothingToLose => f.write_str("`lose` works at content only"),
            Self::Value { condition, value } => write!(f, "`{value}` makes no sense for {condition}"),
            Self::TooEarly { condition, known_from } => write!(f, "`{condition}` is known from {known_from} on"),
        }
    }
}

impl std::error::Error for FailRuleError {}

const STEPS: [Step; 8] =
    [Step::Greeting, Step::Ehlo, Step::StartTls, Step::Auth, Step::Mail, Step::Rcpt, Step::Data, Step::Content];

fn rank(step: Step) -> usize {
    STEPS.iter().position(|known| *known == step).unwrap_or_default()
}

impl FromStr for FailRule {
    type Err = FailRuleError;

    fn from_str(spec: &str) -> Result<Self, FailRuleError> {
        let (step, rest) = spec.split_once('=').ok_or(FailRuleError::NoAction)?;
        let known = STEPS.into_iter().find(|known| known.name() == step.trim());
        let step = known.ok_or_else(|| FailRuleError::UnknownStep(step.trim().to_owned()))?;
        let mut items = rest.split(',');
        let mut action = items.next().unwrap_or_default().to_owned();
        let mut rule =
            Self { step, action: Action::Close, to: None, from: None, after: 0, every: None, rate: None, times: None };
        for item in items {
            // A comma that opens no condition belongs to the words of the reply.
            if !rule.take(item)? {
                action.push(',');
                action.push_str(item);
            }
        }
        rule.action = Action::parse(action.trim())?;
        rule.check()?;
        Ok(rule)
    }
}

impl FailRule {
    /// Takes a condition; returns whether it is one.
    fn take(&mut self, item: &str) -> Result<bool, FailRuleError> {
        let Some((name, value)) = item.split_once('=') else { return Ok(false) };
        let invalid = |condition| FailRuleError::Value { condition, value: value.to_owned() };
        let count = |condition| value.parse::<u64>().map_err(|_| invalid(condition));
        match name.trim() {
            "to" => self.to = Some(value.to_owned()),
            "from" => self.from = Some(value.to_owned()),
            "after" => self.after = count("after")?,
            "every" => self.every = Some(count("every")?).filter(|every| *every > 0),
            "times" => self.times = Some(count("times")?),
            "rate" => {
                let rate = value.trim_end_matches('%').parse().ok().filter(|rate| (0.0..=100.0).contains(rate));
                self.rate = Some(rate.ok_or_else(|| invalid("rate"))?);
            }
            _ => return Ok(false),
        }
        if self.every.is_none() && name.trim() == "every" {
            return Err(invalid("every"));
        }
        Ok(true)
    }

    fn check(&self) -> Result<(), FailRuleError> {
        if self.action == Action::Lose && self.step != Step::Content {
            return Err(FailRuleError::NothingToLose);
        }
        if self.to.is_some() && rank(self.step) < rank(Step::Rcpt) {
            return Err(FailRuleError::TooEarly { condition: "to", known_from: "rcpt" });
        }
        if self.from.is_some() && rank(self.step) < rank(Step::Mail) {
            return Err(FailRuleError::TooEarly { condition: "from", known_from: "mail" });
        }
        Ok(())
    }
}

impl Action {
    fn parse(text: &str) -> Result<Self, FailRuleError> {
        match text {
            "close" => return Ok(Self::Close),
            "lose" => return Ok(Self::Lose),
            "hang" => return Ok(Self::Hang),
            _ => {}
        }
        let (code, words) = text.split_once(' ').unwrap_or((text, ""));
        let number: u16 = code.parse().map_err(|_| FailRuleError::UnknownAction(text.to_owned()))?;
        let refusal = ReplyCode::new(number).filter(|code| code.get() >= 400);
        let code = refusal.ok_or_else(|| FailRuleError::NotARefusal(code.to_owned()))?;
        let (first, rest) = words.trim_start().split_once(' ').unwrap_or((words.trim_start(), ""));
        let (enhanced, words) = match status(first) {
            Some(enhanced) => (Some(enhanced), rest),
            None => (None, words),
        };
        Ok(Self::Reply(Reply::new(code, enhanced, words.trim())))
    }
}

/// An enhanced status such as `5.1.1`.
fn status(text: &str) -> Option<EnhancedStatus> {
    let mut numbers = text.split('.');
    let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let status = EnhancedStatus::new(class.parse().ok()?, subject.parse().ok()?, detail.parse().ok()?);
    status.filter(|_| numbers.next().is_none())
}

/// As it is parsed.
impl fmt::Display for FailRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.step)?;
        match &self.action {
            Action::Reply(reply) => write!(f, "{reply}")?,
            Action::Close => f.write_str("close")?,
            Action::Lose => f.write_str("lose")?,
            Action::Hang => f.write_str("hang")?,
        }
        let text = |value: &Option<String>| value.clone();
        let count = |value: Option<u64>| value.map(|value| value.to_string());
        let conditions = [
            ("to", text(&self.to)),
            ("from", text(&self.from)),
            ("after", count(Some(self.after).filter(|after| *after > 0))),
            ("every", count(self.every)),
            ("rate", self.rate.map(|rate| format!("{rate}%"))),
            ("times", count(self.times)),
        ];
        for (name, value) in conditions {
            if let Some(value) = value {
                write!(f, ",{name}={value}")?;
            }
        }
        Ok(())
    }
}

/// What a rule is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occasion<'a> {
    pub(super) step: Step,
    pub(super) from: &'a str,
    pub(super) to: &'a [String],
}

/// The rules of a sink, and how often each has applied.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Armed>,
    random: Mutex<fastrand::Rng>,
}

#[derive(Debug)]
struct Armed {
    rule: FailRule,
    seen: AtomicU64,
    struck: AtomicU64,
}

impl Rules {
    pub(super) fn new(rules: Vec<FailRule>, seed: Option<u64>) -> Self {
        let arm = |rule| Armed { rule, seen: AtomicU64::new(0), struck: AtomicU64::new(0) };
        let random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self { rules: rules.into_iter().map(arm).collect(), random: Mutex::new(random) }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the first rule that applies does.
    pub(super) fn strike(&self, occasion: Occasion<'_>) -> Option<&Action> {
        self.rules.iter().find(|armed| armed.strikes(occasion, &self.random)).map(|armed| &armed.rule.action)
    }
}

impl Armed {
    fn strikes(&self, occasion: Occasion<'_>, random: &Mutex<fastrand::Rng>) -> bool {
        let rule = &self.rule;
        if rule.step != occasion.step {
            return false;
        }
        let to = rule.to.as_ref().is_none_or(|glob| occasion.to.iter().any(|address| matches(glob, address)));
        let from = rule.from.as_ref().is_none_or(|glob| matches(glob, occasion.from));
        if !to || !from {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        let Some(number) = seen.checked_sub(rule.after) else { return false };
        if rule.every.is_some_and(|every| !(number + 1).is_multiple_of(every)) {
            return false;
        }
        let chance = || random.lock().unwrap_or_else(PoisonError::into_inner).f64() * 100.0;
        if rule.rate.is_some_and(|rate| chance() >= rate) {
            return false;
        }
        rule.times.is_none_or(|times| {
            self.struck.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < times).then_some(n + 1)).is_ok()
        })
    }
}

/// `*` stands for anything, `?` for one character; case does not matter.
fn matches(glob: &str, text: &str) -> bool {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (glob, text) = (fold(glob), fold(text));
    // The last star, and how much of the text it stands for: all that has to be tried anew.
    let (mut g, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                g += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (g, t) = (at + 1, taken + 1);
            }
        }
    }
    glob.iter().skip(g).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(rule: &str, occasions: usize) -> Vec<usize> {
        let rules = Rules::new(vec![rule.parse().unwrap()], Some(7));
        let occasion = Occasion { step: Step::Mail, from: "ann@example.com", to: &[] };
        (1..=occasions).filter(|_| rules.strike(occasion).is_some()).collect()
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        for (rule, words) in [
            ("rcpt", "begins with STEP=ACTION"),
            ("quit=550", "`quit` is no step: it is one of greeting ehlo"),
            ("rcpt=oops", "`oops` is no action"),
            ("rcpt=250 fine", "250 is no refusal"),
            ("rcpt=700", "700 is no refusal"),
            ("rcpt=550,every=0", "`0` makes no sense for every"),
            ("rcpt=550,rate=101%", "`101%` makes no sense for rate"),
            ("mail=550,to=*", "`to` is known from rcpt on"),
            ("ehlo=550,from=*", "`from` is known from mail on"),
            ("mail=lose", "`lose` works at content only"),
        ] {
            let error = rule.parse::<FailRule>().unwrap_err().to_string();
            assert!(error.contains(words), "{rule}: {error}");
        }
    }

    #[test]
    fn after_every_and_times_count_the_occasions_that_fit() {
        assert_eq!(strikes("mail=451", 3), [1, 2, 3]);
        assert_eq!(strikes("mail=451,after=2,times=2", 9), [3, 4]);
        assert_eq!(strikes("mail=451,every=3", 9), [3, 6, 9]);
        assert_eq!(strikes("mail=451,after=1,every=2,times=2", 9), [3, 5]);
        assert_eq!(strikes("mail=451,from=*@example.org", 9), [0; 0]);
        assert_eq!(strikes("rcpt=451", 9), [0; 0]);
        assert!((200..400).contains(&strikes("mail=451,rate=30%", 1000).len()));
    }

    #[test]
    fn the_first_rule_that_applies_wins() {
        let rules = ["mail=451 first,times=1", "mail=452 second"].map(|rule| rule.parse().unwrap());
        let rules = Rules::new(rules.into(), None);
        let occasion = Occasion { step: Step::Mail, from: "", to: &[] };
        let words = || match rules.strike(occasion) {
            Some(Action::Reply(reply)) => reply.text().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!([words(), words()], ["first", "second"]);
    }

    #[test]
    fn globs_match_whole_addresses_in_any_case() {
        for (glob, text, fits) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*@Example.org", "ann@example.ORG", true),
            ("*@example.org", "ann@example.org.evil", false),
            ("a?n@*.c*m", "ann@mail.example.com", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXcXb", false),
            ("??", "ü1", true),
        ] {
            assert_eq!(matches(glob, text), fits, "{glob} {text}");
        }
    }
}
