//! Controls by their key.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::clock::Timestamp;
use crate::control::{Control, ControlPut, ControlValue, Expected};
use crate::error::QueueError;
use crate::text::ControlKey;

/// How many octets all keys and values have together at most.
const MAX_OCTETS: usize = 64 << 20;
/// How many controls one call lists at most.
const MAX_LISTED: usize = 1_000;

/// All controls. Those whose time is over are removed by the next change.
#[derive(Debug, Default)]
pub(super) struct Controls {
    by_key: BTreeMap<ControlKey, Control>,
    by_end: BTreeSet<(Timestamp, ControlKey)>,
    octets: usize,
    version: u64,
}

impl Controls {
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &ControlKey, now: Timestamp) -> Option<&Control> {
        self.by_key.get(key).filter(|control| !control.has_expired(now))
    }

    pub(super) fn put(
        &mut self,
        key: &ControlKey,
        value: Option<ControlValue>,
        expected: Expected,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<ControlPut, QueueError> {
        self.remove_expired(now);
        let found = self.by_key.get(key);
        if !expected.is_met_by(found) {
            return Ok(ControlPut::Mismatch(found.cloned()));
        }
        let size = |value: &ControlValue| key.as_str().len() + value.as_bytes().len();
        let freed = found.map_or(0, |control| size(&control.value));
        let Some(value) = value else {
            if found.is_some() {
                self.remove(key);
                self.version += 1;
            }
            return Ok(ControlPut::Stored(self.version));
        };
        if self.octets - freed + size(&value) > MAX_OCTETS {
            return Err(QueueError::Full {
                limit: format!("its controls have {MAX_OCTETS} octets, as many as they may"),
            });
        }
        self.remove(key);
        self.version += 1;
        self.octets += size(&value);
        self.by_end.extend(expires_at.map(|at| (at, key.clone())));
        self.by_key.insert(key.clone(), Control::new(value, self.version, expires_at));
        Ok(ControlPut::Stored(self.version))
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&ControlKey>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<(ControlKey, Control)> {
        // An empty prefix is no key, and lies before all of them.
        let from = match (after, ControlKey::new(prefix)) {
            (Some(after), Ok(first)) if *after < first => Bound::Included(first),
            (None, Ok(first)) => Bound::Included(first),
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Err(_)) => Bound::Unbounded,
        };
        let matching =
            self.by_key.range((from, Bound::Unbounded)).take_while(|(key, _)| key.as_str().starts_with(prefix));
        let alive = matching.filter(|(_, control)| !control.has_expired(now));
        alive.take(limit.min(MAX_LISTED)).map(|(key, control)| (key.clone(), control.clone())).collect()
    }

    fn remove_expired(&mut self, now: Timestamp) {
        while let Some((_, key)) = self.by_end.first().filter(|(at, _)| *at <= now) {
            let key = key.clone();
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &ControlKey) {
        let Some(control) = self.by_key.remove(key) else { return };
        self.octets -= key.as_str().len() + control.value.as_bytes().len();
        if let Some(at) = control.expires_at {
            self.by_end.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_controls_together_have_a_bound() {
        let (mut controls, now) = (Controls::default(), Timestamp::from_millis(0));
        let value = || Some(ControlValue::new(vec![0; ControlValue::MAX_OCTETS]).unwrap());
        let mut put = |number: usize, value| {
            controls.put(&ControlKey::new(format!("{number:08}")).unwrap(), value, Expected::Any, None, now)
        };
        let fits = MAX_OCTETS / (ControlValue::MAX_OCTETS + 8);
        for number in 0..fits {
            put(number, value()).unwrap();
        }
        assert!(matches!(put(fits, value()), Err(QueueError::Full { .. })));
        put(0, value()).unwrap();
        put(1, None).unwrap();
        put(fits, value()).unwrap();
    }
}
